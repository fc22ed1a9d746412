"""Queues between threads: bounded rings, an unbounded queue, and a ring of NumPy records.

`SpscQueue`, `MpmcQueue` and `UnboundedQueue` hold references to objects, `RecordQueue` holds copies of rows. To know:

* ``try_push`` and ``try_pop`` never wait. ``push`` and ``pop`` do, and raise `queue.Full` and `queue.Empty` when their
  timeout is over. ``push_many`` and ``pop_many`` do not wait and may do less than they were asked for.
* A capacity is exactly what was asked for. Memory is allocated and touched when the queue is made; the rings of
  `SpscQueue` and `RecordQueue` take that of the next power of two.
* After ``close()`` pushes raise `ClosedError`; pops hand out what is left, then raise it too. Whoever waits is woken.
* ``wait="park"`` spins for 10 us, yields its CPU for 50 us and then sleeps until it is woken. ``"yield"`` does not
  sleep; ``"spin"`` only spins, which notices soonest and takes a whole CPU. A waiting thread holds no GIL; to come back
  it needs the GIL, which a busy thread keeps for up to `sys.getswitchinterval`. Ctrl-C ends any wait within 100 ms.
* Waiters are not served in turn: whoever tries first when something comes has it.
* ``len()`` is exact as long as nobody else pushes or pops meanwhile.
* All of them rely on the GIL for their calls from Python: they come one after the other, so that even an `SpscQueue`
  with two producers is not damaged. They are not declared safe for builds without it, and an import there turns it on.
  The rings below them do not need it; their headers say what they promise.

`Echo` is what the suites measure with: a native thread, pinned to another CPU, that sends back what it receives.
"""

from latencykit._core import Echo, MpmcQueue, RecordQueue, SpscQueue, UnboundedQueue
from latencykit.errors import ClosedError

__all__ = ["ClosedError", "Echo", "MpmcQueue", "RecordQueue", "SpscQueue", "UnboundedQueue"]
