"""The machine meter: what a spinning core loses to interrupts, other threads and the hypervisor."""

from latencykit import _core
from latencykit.measuring.conditions import pinned
from latencykit.model import MeterReading

# An undisturbed spin sees gaps of some tens of nanoseconds, a timer interrupt one of 1 to 5 µs.
THRESHOLD_NS = 1_000


def read_meter(cpu: int | None, duration_ns: int) -> MeterReading:
    """Spin on a CPU and report the time that was taken away.

    Args:
        cpu: The CPU to spin on; None for wherever the thread is, reported as -1.
        duration_ns: How long to spin, in nanoseconds.
    """
    with pinned(cpu):
        observed_ns, lost_ns, count, longest_ns = _core.spin_meter(duration_ns, THRESHOLD_NS)
    return MeterReading(
        cpu=-1 if cpu is None else cpu,
        observed_ns=observed_ns,
        lost_ns=lost_ns,
        count=count,
        longest_ns=longest_ns,
        threshold_ns=THRESHOLD_NS,
    )
