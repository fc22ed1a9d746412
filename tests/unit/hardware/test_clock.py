"""The clock, as the native core and the kernel tell it."""

import os
import subprocess
import sys

import pytest

from latencykit.environment import Clock
from latencykit.hardware.clock import clock_of, complete_clock, has_invariant_tsc, measured_clock
from latencykit.hardware.cpu import parse_cpuinfo
from latencykit.hardware.reading import read_text


def completed(root, clock):
    return complete_clock(clock, root, parse_cpuinfo(read_text(root / "proc/cpuinfo")))


def test_the_kernels_part_completes_the_measured_one(machine):
    clock = completed(machine("epyc_vm"), Clock(source="tsc", frequency_hz=2.45e9, resolution_ns=10.0))
    assert clock == Clock(
        source="tsc", frequency_hz=2.45e9, resolution_ns=10.0, invariant=True, kernel_clocksource="kvm-clock"
    )


def test_what_the_clock_knows_of_itself_stays(machine):
    clock = Clock(source="monotonic", invariant=False, kernel_clocksource="hpet")
    assert completed(machine("epyc_vm"), clock) == clock


@pytest.mark.parametrize(
    ("cpuinfo", "invariant"),
    [
        ("processor : 0\nflags : constant_tsc nonstop_tsc", True),
        ("processor : 0\nflags : constant_tsc", False),
        ("processor : 0\nFeatures : asimd", None),
        ("", None),
    ],
)
def test_invariance(cpuinfo, invariant):
    assert has_invariant_tsc(parse_cpuinfo(cpuinfo)) is invariant


def test_what_the_native_clock_leaves_out_is_unknown():
    assert clock_of({}) == Clock(source="unknown")
    odd = clock_of({"source": "tsc", "frequency_hz": 0.0, "resolution_ns": float("inf"), "invariant": 1})
    assert odd == Clock(source="tsc", invariant=True)


def test_the_native_clock():
    clock = measured_clock()
    assert clock.source in {"tsc", "monotonic"}
    assert clock.resolution_ns > 0
    assert clock.frequency_hz > 1e6


@pytest.mark.parametrize(("word", "source", "forced"), [("monotonic", "monotonic", True), ("", None, False)])
def test_the_user_may_ask_for_the_system_clock(word, source, forced):
    # The native core chooses once, so each choice needs a process of its own.
    code = (
        "from latencykit.hardware.clock import measured_clock as m; c = m(); "
        f"assert c.forced is {forced}, c; assert {source!r} in (None, c.source), c"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/", env={**os.environ, "LATENCYKIT_CLOCK": word})
