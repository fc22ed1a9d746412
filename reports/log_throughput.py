"""Show how many lines a second the logger's one native thread makes, alone and beside two threads that log.

Alone: a million records wait in a ring, and what is timed is the thread that formats them and hands them to the
operating system. Beside: two threads log a million records in all, and what is timed is from the first call until the
last line is handed over; every line is then read back and checked: none missing, each as ``str.format`` makes it, in
order.

Run it as ``python reports/log_throughput.py [FOLDER]``. It prints a table in Markdown and ends with 0 if the median
alone is at least three million lines a second for text and every line was right, else with 1.
"""

import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from latencykit.engine import AsyncLogger

LINES = 1_000_000
ROUNDS = 7
LEAST_PER_SECOND = 3_000_000
TEMPLATE = "order {} qty {} price {:.2f}"
STAMP = len("2026-01-02T03:04:05.123456789Z ")

Format = Literal["text", "json"]


def main(folder: str | None = None) -> int:
    """Measure, print the table and return the exit status."""
    print("| what | format | file | million lines/s, median (least to most) |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=folder) as made:
        log = Path(made, "x.log")
        forms: tuple[Format, ...] = ("text", "json")
        alone = {form: shown("the thread alone", form, Path("/dev/null"), backend_seconds) for form in forms}
        for form in forms:
            shown("the thread alone", form, log, backend_seconds)
            shown("two threads log", form, log, whole_seconds)
    return 0 if alone["text"] >= LEAST_PER_SECOND else 1


def shown(what: str, form: Format, path: Path, seconds: Callable[[Path, Format], float]) -> float:
    """Print one row and return its median of lines a second."""
    rates = sorted(LINES / seconds(path, form) for _ in range(ROUNDS))
    middle = statistics.median(rates)
    name = str(path) if path == Path("/dev/null") else "a file"
    print(
        f"| {what} | {form} | {name} | {middle / 1e6:.2f} ({rates[0] / 1e6:.2f} to {rates[-1] / 1e6:.2f}) |", flush=True
    )
    return middle


def backend_seconds(path: Path, form: Format) -> float:
    """Return how long the native thread takes for records that wait for it."""
    # The thread wakes up by itself when a ring is half full, so it is more than twice as large as needed.
    with AsyncLogger(path, capacity=LINES * 3, flush_interval=3600, format=form) as logger:
        site = logger.site(TEMPLATE)
        for i in range(LINES):
            site("AAPL", 100 + i % 1000, 600 + i % 10_000 / 100)
        start = time.perf_counter()
        logger.drain()
        taken = time.perf_counter() - start
    path.unlink() if path.is_file() else None
    return taken


def whole_seconds(path: Path, form: Format) -> float:
    """Return how long two threads and the native one take from the first call to the last line, all checked."""
    each = LINES // 2

    def work(name: str) -> None:
        for i in range(each):
            site(name, i, i / 4)

    with AsyncLogger(path, format=form) as logger:
        site = logger.site(TEMPLATE)
        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        logger.drain()
        taken = time.perf_counter() - start
        problem = logger.dropped or logger.lost or logger.late
    if problem or not all_right(path, form, each):
        raise SystemExit(f"a record was dropped, lost, late or wrong in {form}")
    path.unlink()
    return taken


def all_right(path: Path, form: Format, each: int) -> bool:
    """Tell whether the file has every line of both threads, as it should be and in order."""
    counts = {"a": itertools.count(), "b": itertools.count()}
    last = ""
    with path.open() as file:
        for line in file:
            message, stamp = message_of(line, form)
            name = message[6]
            i = next(counts[name])
            if stamp < last or message != TEMPLATE.format(name, i, i / 4):
                return False
            last = stamp
    return all(next(count) == each for count in counts.values())


def message_of(line: str, form: Format) -> tuple[str, str]:
    """Return a line's message and time."""
    if form == "json":
        parsed = json.loads(line)
        return parsed["message"], parsed["time"]
    return line[STAMP + len("INFO ") : -1], line[: STAMP - 1]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
