"""Pinning: what it costs a thread to be moved to another CPU, and what competing processes do to its tail.

Every variant does the same piece of hot work: add one to each of 8,192 doubles, 64 KiB that are read and written as an
engine's state is. `moved` has its thread moved to the other of two CPUs before each piece; `stayed` makes the same
system call for the CPU that it is on already. The difference is what one move costs, and pinning saves. It has two
parts: what the kernel does, which is `move_alone` less the call itself (`stayed` less `work_alone`), and working on
caches that hold nothing of the state, which is the rest. The kernel's part is that of a forced move; where the
scheduler moves a thread that waits anyway, it does less.

The variants under load work beside two processes that wake up and work for 50 us in every 100 us, on the same two
CPUs: the thread is free to use both, or pinned to one, or pinned to one that the processes are kept from. The centre
hardly differs; read the tail. Whatever else runs on these two CPUs competes too.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import latencykit as lk
from latencykit.errors import UnsupportedError

if TYPE_CHECKING:
    from latencykit.suite import Operation

STATE_BYTES = 64 << 10
BUSY_PROCESSES = 2
BUSY = """
import os, sys, time
os.sched_setaffinity(0, map(int, sys.argv[1:]))
print(flush=True)
while True:
    until = time.perf_counter_ns() + 50_000
    while time.perf_counter_ns() < until:
        pass
    time.sleep(0.000_05)
"""

pinning = lk.Component(
    "pinning",
    baseline="moved",
    doc="add 1 to 8,192 doubles (64 KiB), on a CPU that the thread was moved to, stays on, or competes for",
    claims=[lk.Claim(text="pinning saves", worse="moved", better="stayed", saves=("5 us", "10 us"))],
)


def two_cpus() -> tuple[int, int]:
    """Return the CPU that is measured on by default, and another."""
    if not hasattr(os, "sched_setaffinity"):
        raise UnsupportedError("this system cannot move a thread to a CPU of choice; measure pinning on Linux")
    home, *others = sorted(os.sched_getaffinity(0), reverse=True)
    if not others:
        raise UnsupportedError(
            f"only CPU {home} is ours to use, and pinning needs two; allow another (taskset, cpuset)"
        )
    return home, others[0]


def hot_work() -> Callable[[], object]:
    """Return what reads and writes the whole state, without a Python frame of its own."""
    from functools import partial

    import numpy as np

    state = np.zeros(STATE_BYTES // 8)
    return partial(np.add, state, 1.0, state)


def moving_to(first: int, second: int, work: Callable[[], object]) -> "Operation":
    """Prepare to work on two CPUs in turn, which may be one and the same."""
    move = os.sched_setaffinity

    def move_and_work(cpus: Collection[int]) -> None:
        move(0, cpus)
        work()

    return lk.replay(move_and_work, [({first},), ({second},)])


@pinning.variant
def moved() -> "Operation":
    home, other = two_cpus()
    return moving_to(home, other, hot_work())


@pinning.variant
def stayed() -> "Operation":
    home, _ = two_cpus()
    return moving_to(home, home, hot_work())


@pinning.variant(contrast=True)
def move_alone() -> "Operation":
    home, other = two_cpus()
    return moving_to(home, other, lambda: None)


@pinning.variant(contrast=True)
def work_alone() -> "Operation":
    return lk.call(hot_work())


@contextmanager
def busy_processes(cpus: Collection[int]) -> Iterator[None]:
    """Keep two processes busy on these CPUs."""
    with ExitStack() as stack:
        for _ in range(BUSY_PROCESSES):
            command = [sys.executable, "-I", "-S", "-c", BUSY, *map(str, cpus)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))  # noqa: S603
            stack.callback(process.kill)
            if process.stdout is None or not process.stdout.readline():
                raise UnsupportedError(
                    f"no process can be kept busy on CPUs {sorted(cpus)}; measure on another machine"
                )
        yield


def beside_load(own: Collection[int], busy: Collection[int]) -> "Iterator[Operation]":
    """Prepare the work of a thread that may run on its own CPUs, beside processes that are busy on theirs.

    The thread is given its CPUs between bursts, because it is pinned to the one that is measured on after this.
    """
    with busy_processes(busy):
        yield lk.call(hot_work(), between=lambda: os.sched_setaffinity(0, own))


@pinning.variant(contrast=True)
def free_under_load() -> "Iterator[Operation]":
    home, other = two_cpus()
    yield from beside_load({home, other}, {home, other})


@pinning.variant(contrast=True)
def pinned_under_load() -> "Iterator[Operation]":
    home, other = two_cpus()
    yield from beside_load({home}, {home, other})


@pinning.variant(contrast=True)
def reserved_under_load() -> "Iterator[Operation]":
    home, other = two_cpus()
    yield from beside_load({home}, {other})
