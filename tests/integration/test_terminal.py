"""What a person sees: the command on real terminals, with a session that measures nothing."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
GOLDEN = Path(__file__).parents[1] / "data" / "golden"
ANSI = re.compile(r"\x1b\[[0-9;]*[mK]")
COMMAND = """
import sys, types
from dataclasses import make_dataclass
from fabricated import make_run
from latencykit.__main__ import main
from latencykit.measuring import events

def bench(sources, plan, observe, argv):
    observe(events.ComponentStarted("orders", 2))
    observe(events.OperationStarted("orders/arena"))
    return make_run()

names = ["level", "cpu", "ticks", "peers", "variants"]
session = types.ModuleType("latencykit.session")
session.__dict__.update(Plan=make_dataclass("Plan", names), select=lambda names, variants: names, bench=bench)
sys.modules["latencykit.session"] = sys.modules["latencykit"].session = session
main()
"""


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    return {
        **kept,
        "PYTHONPATH": str(SUPPORT),
        "PYTHONIOENCODING": "utf-8",
        "TERM": "xterm-256color",
        **changes,
    }


def on_terminal(columns: int, tmp_path: Path, **environ: str) -> str:
    """Return what a terminal of so many columns receives from ``latencykit bench``."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "bench"],
        cwd=tmp_path,
        env=environment(**environ),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        received = b""
        while chunk := _read(ours):
            received += chunk
    os.close(ours)
    assert process.returncode == 0
    return received.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # Linux's way of saying that the other side of a terminal is closed
        return b""


@pytest.mark.parametrize("columns", [80, 140])
def test_a_terminal_gets_its_width_and_colours(columns, tmp_path):
    text = on_terminal(columns, tmp_path)
    assert "orders  [..]  0/2  orders/arena\r\x1b[2K" in text
    table = text.rpartition("\x1b[2K")[2]
    assert table == (GOLDEN / f"console_good_{columns}.ansi").read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [80, 140])
def test_no_color_is_honoured(columns, tmp_path):
    table = on_terminal(columns, tmp_path, NO_COLOR="1").rpartition("\x1b[2K")[2]
    assert table == (GOLDEN / f"console_good_{columns}.txt").read_text(encoding="utf-8")


def test_a_terminal_narrower_than_80_gets_80(tmp_path):
    assert on_terminal(40, tmp_path).endswith((GOLDEN / "console_good_80.ansi").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("environ", "width"), [({}, 140), ({"COLUMNS": "80"}, 80)])
def test_a_pipe_gets_a_stable_width_and_no_escapes(environ, width, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "bench"],
        cwd=tmp_path,
        env=environment(**environ),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert done.stdout == (GOLDEN / f"console_good_{width}.txt").read_text(encoding="utf-8")
    assert done.stderr == "measuring orders (2 operations)\n"
    assert not ANSI.search(done.stdout + done.stderr)
