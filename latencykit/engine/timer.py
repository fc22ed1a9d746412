"""Reading the clock and timing blocks: `PrecisionTimer`, and `SimulatedClock` for tests and replays.

``timer.now_ns()`` is the time-stamp counter, calibrated against CLOCK_MONOTONIC (`time.monotonic_ns`), at about half
the cost of `time.perf_counter_ns`. It never goes back, also from one thread to another: whoever has seen another
thread's stamp gets at least as much. ``timer.ticks()`` is the counter itself, for what is only compared.

The counter's rate is measured for 10 ms at first, which leaves it some parts per million off: microseconds in a second,
if the machine was busy. Each new `PrecisionTimer` measures it again, over all the time since, and has the clock catch
up with CLOCK_MONOTONIC by 500 parts per million at most, within a second as a rule. A process that runs for long and
compares its stamps with other clocks makes a timer now and then.

``with timer.measure(stats):`` times a block straight into a histogram, `stats`. To know:

* A scope measures one block at a time. Where a block is timed again and again, take its scope once,
  ``scope = timer.measure(stats)``, and write ``with scope:``; blocks within blocks, and blocks of other threads,
  generators and tasks that may overlap, each need a scope of their own. Entering a scope that is inside its block, from
  wherever, raises `InvalidStateError`.
* A block that ends with an exception is recorded like any other, and the exception goes on. A clock that is behind
  at the end of a block where it was ahead at its beginning gives 0, never a negative duration.
* An empty block does not record 0: entering and leaving take some tens of nanoseconds, part of which lies between the
  two readings. Nothing is subtracted; time an empty block beside yours to see how much it is.
* The end of a block waits until all its work is done. Its beginning does not wait for the code before it: when that
  has just asked for memory far from the processor, what remains of the wait is charged to the block.
  ``PrecisionTimer(fenced=True)`` waits there too, which costs about a fifth more.

`PrecisionTimer` and `SimulatedClock` are native types: no Python frame stands between a block and its reading.
"""

from latencykit._core import PrecisionTimer, SimulatedClock, TimerScope

__all__ = ["PrecisionTimer", "SimulatedClock", "TimerScope"]
