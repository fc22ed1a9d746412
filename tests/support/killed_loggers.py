"""Starts loggers in processes of their own and kills each at a random moment. Run as a script.

python killed_loggers.py FOLDER COUNT SEED: for each kill, FOLDER/N/a.log is what its logger left, and a line of
JSON on standard output says how it was set up and how many calls of each thread had returned.
"""

import json
import mmap
import os
import random
import signal
import struct
import sys
import threading
import time
from pathlib import Path

from latencykit.engine import AsyncLogger


def log_for_ever(path, page, *, threads, form, **options):
    logger = AsyncLogger(path, format=form, backups=1000, crash_proof=True, **options)
    site = logger.site("{} {} {:.2f} {}")

    def run(thread):
        counter = memoryview(page).cast("Q")[8 * thread : 8 * thread + 1]
        number = 0
        while True:
            site(thread, number, number / 4, "größe")
            number += 1
            counter[0] = number

    for thread in range(1, threads):
        threading.Thread(target=run, args=(thread,), daemon=True).start()
    run(0)


def kill_one(path, rng):
    setup = {
        "threads": rng.choice([1, 2]),
        "capacity": rng.choice([64, 1000, 20_000]),
        "form": rng.choice(["text", "text", "json"]),
        "on_full": rng.choice(["block", "block", "drop_oldest"]),
        "rotate_bytes": rng.choice([None, None, 4096, 1 << 16]),
    }
    page = mmap.mmap(-1, 4096)
    pid = os.fork()
    if pid == 0:
        try:
            log_for_ever(path, page, **setup)
        finally:
            os._exit(1)
    while struct.unpack_from("Q", page)[0] == 0:
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            raise SystemExit("a logger ended by itself")
    time.sleep(rng.random() * rng.choice([0.0002, 0.002, 0.008]))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    done = [struct.unpack_from("Q", page, 64 * thread)[0] for thread in range(setup["threads"])]
    sys.stdout.write(json.dumps({**setup, "acknowledged": done}) + "\n")


def main():
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    AsyncLogger(folder / "first.log", crash_proof=True).close()  # Calibrates the clock, once for all children.
    for number in range(count):
        (folder / str(number)).mkdir()
        kill_one(folder / str(number) / "a.log", rng)


if __name__ == "__main__":
    main()
