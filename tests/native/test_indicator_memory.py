"""Batch calls whose memory is refused: for the copy, for a result, for a long window, for missing values."""

import subprocess
import sys
from pathlib import Path

import pytest

# A process of its own, whose address space may grow by too little for what a call asks for.
SCRIPT = """
import gc, resource, sys
import numpy as np
from latencykit.engine import indicators

# Beyond the 32 MiB from which on malloc always takes memory from the system and gives it back.
LENGTH = 5_000_000
ROOM = int({room} * 8 * LENGTH)


def size():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def limited(room):
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.getrlimit(resource.RLIMIT_AS)[1]))


x = np.linspace(100, 200, LENGTH)
x[1000] = {third}
{setup}
things = [x, *(out if isinstance(out, tuple) else () if out is None else (out,))]
call = lambda: {call}
before, held = x.copy(), [sys.getrefcount(thing) for thing in things]
gc.collect()
gc.disable()
limited(size() + ROOM)
try:
    call()
except MemoryError:
    pass
else:
    sys.exit("the call was not refused")
grown = size()
for _ in range(20):
    try:
        call()
    except MemoryError:
        continue
    sys.exit("a later call was not refused")
if size() > grown:
    sys.exit(f"refused calls keep {{size() - grown}} bytes")
limited(resource.RLIM_INFINITY)
if [sys.getrefcount(thing) for thing in things] != held:
    sys.exit("refused calls keep references")
if not np.array_equal(x, before, equal_nan=True):
    sys.exit("the input was changed")
{after}
if call() is None:
    sys.exit("no result")
"""
UNTOUCHED = """
if not (out == 7).all():
    sys.exit("out was changed")
"""
OUT = "out = np.full(LENGTH, 7.0)"
RESULT = {"setup": "out = None", "room": 0.5}
# The first of three results fits.
SECOND_RESULT = {"setup": "out = None", "room": 1.5}
CASES = {
    "a copy": {"setup": "out = None; z = x.astype('i4')", "call": "indicators.sma(z, 3)", "room": 0.5},
    "a result": {"call": "indicators.sma(x, 3)", **RESULT},
    "the result of ema": {"call": "indicators.ema(x, 3)", **RESULT},
    "the second of three results": {"call": "indicators.bollinger(x)", **SECOND_RESULT},
    "a long window": {"setup": OUT, "call": "indicators.sma(x, LENGTH, out=out)", "room": 0.5, "after": UNTOUCHED},
    "a long window of a bound call": {
        "setup": f"{OUT}; bound = indicators.bind(indicators.zscore, x, LENGTH // 2, out=out)",
        "call": "bound()",
        "room": 0.5,
        "after": UNTOUCHED,
    },
    "missing values": {"setup": OUT, "call": "indicators.sma(x, 3, out=out)", "room": 0.5, "third": "np.nan"},
    "missing values of three results": {
        "setup": "out = tuple(np.full(LENGTH, 7.0) for _ in range(3))",
        "call": "indicators.macd(x, out=out)",
        "room": 1.5,
        "third": "np.nan",
    },
}


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, which /proc shows, as Linux has it")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_call_whose_memory_is_refused_changes_nothing_and_keeps_nothing(
    case: dict[str, str | float], tmp_path: Path
) -> None:
    script = SCRIPT.format(**{"third": "100.0", "after": "", **case})
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
