"""Records from process to process through shared memory: one consumer, one or more producers.

``SharedRing.create(name, dtype, capacity)`` makes a ring, ``SharedRing.attach(name)`` joins it from any process of the
same user; ``push(records)`` and ``pop(max_records)`` move NumPy records of a fixed size. To know:

* Who pushes first through an object is a producer from then on, who pops first the consumer, until `close()`. There
  is one consumer at a time, and one producer, or up to ``producers=N``; one more is refused. The kernel knows who
  lives: when a process dies, however it dies, its side is free, and another process attaches and goes on.
* `push` takes what fits and says how many that were; ``push(records, timeout=1.0)`` waits until all fit,
  ``timeout=None`` for ever. `pop` returns what is there, which may be nothing; with a timeout it waits for the
  first record. A wait spins for 20 us, then sleeps until the other side wakes it; other threads run meanwhile, and
  Ctrl-C ends it.
* When the side that a wait is for closes or dies, the wait ends with `InvalidStateError`, within 50 ms, once (its
  subclass `ClosedError` where the side was closed in order): a next call waits for a new process to attach. What was
  pushed before is delivered first, and a `push` that got some of its records in returns their number instead.
  `producers` and `has_consumer` tell who is there now.
* Several producers never wait for each other. The capacity is each producer's own. The records of one come in their
  order; between producers there is no order, and the consumer takes from them in turns. Where the order across
  producers matters, give the records a time stamp.
* What is lost when a process is killed: of a producer, what the push that it was in had not got in, which is all or
  nothing of what fits at once; of the consumer, at most what the pop that it was in was about to return. No record
  comes twice, and none half written.
* Nothing is copied but the records. Only a call that finds the other side asleep makes a system call.
* The name stays until ``unlink()`` or ``SharedRing.remove(name)``, also after a crash; a process that comes later
  can attach and finds what was not popped. A process that ends without `close()` leaves nothing else behind.
* After a fork the child has no part in its parent's rings and attaches anew.
* The memory is there when `create` returns (or `CapacityError` says that it is not), so that a full /dev/shm is no
  later crash. Processes of other users cannot open it. One of the same user that writes noise into it, or cuts its
  file short, ends nobody: the others raise `DataError`, or pop noise. The first ring of a process installs a handler
  of SIGBUS for that, which leaves every other SIGBUS to the handler before it; one that is installed later and does
  not call it takes this protection away.
"""

from latencykit._core import SharedRing

__all__ = ["SharedRing"]
