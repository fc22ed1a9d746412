"""Warnings: one for each fact, none for what is unknown or good."""

import pytest

from latencykit.environment import Clock, Cpu, OperatingSystem, PythonBuild, Storage
from latencykit.hardware.advice import warnings_of


def warnings(
    cpu=None,
    storage=None,
    system=None,
    clock=None,
    *,
    debug=False,
    optimised=True,
    virtualized: bool | None = False,
):
    return warnings_of(
        Cpu(**{"allowed_cpus": [0, 1], "governor": "performance", **(cpu or {})}),
        Storage(path="/logs", **{"kind": "nvme", **(storage or {})}),
        OperatingSystem(name="Linux", **(system or {})),
        PythonBuild(
            implementation="CPython", version="3.11.0", compiler="GCC", executable="", gil=True,
            optimised=optimised, debug=debug,
        ),
        Clock(**{"source": "tsc", "invariant": True, "kernel_clocksource": "tsc", **(clock or {})}),
        virtualized=virtualized,
    )  # fmt: skip


def test_a_good_machine_has_none():
    assert warnings() == []


def test_what_is_unknown_gives_none():
    unknown = {"invariant": None, "kernel_clocksource": None}
    bare = {"governor": None, "allowed_cpus": []}
    assert warnings(bare, {"kind": None}, {"cpu_quota": None}, unknown, optimised=None, virtualized=None) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"cpu": {"governor": "powersave"}}, ["powersave", "cpupower frequency-set -g performance"]),
        ({"cpu": {"governor": "performance+schedutil"}}, ["performance+schedutil"]),
        ({"cpu": {"allowed_cpus": [3]}}, ["CPU 3 alone", "at least 2"]),
        ({"system": {"cpu_quota": 1.5}}, ["1.5 CPUs", "on 2 CPUs", "--cpuset-cpus"]),
        ({"system": {"throttled_periods": 1}}, ["1 period."]),
        ({"system": {"throttled_periods": 12}}, ["12 periods."]),
        ({"debug": True, "optimised": False}, ["debug build"]),
        ({"optimised": False}, ["--enable-optimizations"]),
        ({"clock": {"invariant": False}}, ["invariant TSC"]),
        ({"clock": {"kernel_clocksource": "kvm-clock"}}, ["kvm-clock", "current_clocksource"]),
        ({"storage": {"kind": "memory", "filesystem": "tmpfs"}}, ["/logs", "tmpfs"]),
        ({"storage": {"kind": "network", "filesystem": "nfs4"}}, ["/logs", "nfs4"]),
        ({"virtualized": True, "system": {"hypervisor": "kvm"}}, ["virtual machine (kvm)"]),
        ({"virtualized": True}, ["virtual machine:"]),
        ({"system": {"hypervisor": "wsl1"}}, ["WSL 2"]),
    ],
)
def test_one_warning_with_the_fact_and_the_remedy(facts, words):
    [sentence] = warnings(**facts)
    assert all(word in sentence for word in words)


@pytest.mark.parametrize(
    "facts",
    [
        {"system": {"cpu_quota": 2.0}},
        {"system": {"throttled_periods": 0}},
        {"clock": {"kernel_clocksource": "arch_sys_counter"}},
        {"storage": {"kind": "virtual"}},
    ],
)
def test_no_warning_at_the_edge(facts):
    assert warnings(**facts) == []


@pytest.mark.parametrize(("forced", "why"), [(True, "as LATENCYKIT_CLOCK=monotonic asks"), (False, "for want of an")])
@pytest.mark.parametrize("invariant", [True, False, None])
def test_the_system_clock_is_warned_of_once(forced, why, invariant):
    (warning,) = warnings(clock={"source": "monotonic", "forced": forced, "invariant": invariant})
    assert f"Samples are taken with the system clock, {why}" in warning
