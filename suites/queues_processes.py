"""Queues between two processes: 256 records of 64 bytes are handed to another process, which says that it has them.

The answer goes the same way back, so that every variant waits for the same thing and none runs ahead. The other
process takes the records out as the variant's user would, as single objects or as one array, and does nothing with
them. It may use every CPU but the one that is measured on by default.

`mutex` is what one writes first, a put for each record; `mutex_batch` puts all 256 as one array, which is the second
thing that one writes. `pipe` sends the array's bytes. `lockfree_single` pushes each record alone, and shows how much
of `lockfree` is the batch.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import latencykit as lk

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from latencykit.engine import SharedRing

RECORDS = 256
RECORD = [("symbol", "<u4"), ("side", "<u4"), ("price", "<f8"), ("quantity", "<i8"), ("rest", "<u8", (5,))]
CAPACITY = 1024
START_S = 60.0  # for another interpreter to start and import NumPy
READY = b"ready"

Handover = Callable[[], object]

queues_processes = lk.Component(
    "queues_processes",
    baseline="mutex",
    doc=f"hand {RECORDS} records of 64 bytes to another process and hear that it has them",
)


def batch() -> "npt.NDArray[np.void]":
    """Return the records that are handed over."""
    import numpy as np

    records = np.zeros(RECORDS, RECORD)
    records["price"] = np.arange(RECORDS) / 4
    return records


def single_records() -> list[bytes]:
    """Return the records as one object each, as small as Python can pickle them."""
    records = batch()
    return [records[index].tobytes() for index in range(RECORDS)]


def live_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end when the parent does, however it ends."""

    def watch() -> None:
        if parent := multiprocessing.parent_process():
            parent.join()
        os._exit(0)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()
    if hasattr(os, "sched_setaffinity") and len(cpus := os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, cpus - {max(cpus)})


@contextmanager
def other_process(work: Callable[..., None], *arguments: object) -> Iterator[None]:
    """Run a function of this module in another process until the end of the block."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def answer_queue(records: Any, done: Any) -> None:
    """Take records one by one and answer after every batch."""
    live_with_parent()
    done.put(READY)
    while True:
        for _ in range(RECORDS):
            records.get()
        done.put(None)


def answer_queue_batches(records: Any, done: Any) -> None:
    """Take batches and answer after each."""
    live_with_parent()
    done.put(READY)
    while True:
        records.get()
        done.put(None)


def answer_pipe(pipe: Any) -> None:
    """Take batches of bytes and answer after each."""
    live_with_parent()
    pipe.send_bytes(READY)
    while True:
        pipe.recv_bytes()
        pipe.send_bytes(b"1")


def answer_ring(records_name: str, done_name: str) -> None:
    """Take records as arrays, as many as are there, and answer after every batch."""
    import numpy as np

    from latencykit.engine import SharedRing

    live_with_parent()
    with SharedRing.attach(records_name) as records, SharedRing.attach(done_name) as done:
        out, answer = np.empty(RECORDS, records.dtype), np.ones(1, done.dtype)
        done.push(answer)
        while True:
            missing = RECORDS
            while missing:
                missing -= len(records.pop(missing, out, None))
            done.push(answer)


def answer_faster_fifo(records: Any, done: Any) -> None:
    """Take records, as many at a time as there are, and answer after every batch."""
    live_with_parent()
    done.put(READY)
    while True:
        missing = RECORDS
        while missing:
            missing -= len(records.get_many(timeout=START_S, max_messages_to_get=missing))
        done.put(None)


@contextmanager
def two_queues() -> Iterator[tuple[Any, Any]]:
    """Yield a queue for the records and one for the answers; what is left in them is dropped."""
    context = multiprocessing.get_context("spawn")
    queues = context.Queue(), context.Queue()
    try:
        yield queues
    finally:
        for queue in queues:
            queue.cancel_join_thread()
            queue.close()


@contextmanager
def two_rings() -> "Iterator[tuple[SharedRing, SharedRing]]":
    """Yield a ring for the records and one for the answers."""
    from latencykit.engine import SharedRing

    name = f"latencykit-suite-{os.getpid()}-{threading.get_native_id()}"
    with SharedRing.create(name, RECORD, CAPACITY) as records:
        try:
            with SharedRing.create(f"{name}-done", "u1", 8) as done:
                try:
                    yield records, done
                finally:
                    done.unlink()
        finally:
            records.unlink()


@queues_processes.variant
def mutex() -> Iterator[Handover]:
    with two_queues() as (records, done), other_process(answer_queue, records, done):
        done.get(timeout=START_S)
        singles = single_records()

        def hand_over() -> None:
            for record in singles:
                records.put(record)
            done.get()

        yield hand_over


@queues_processes.variant(contrast=True)
def mutex_batch() -> Iterator[Handover]:
    with two_queues() as (records, done), other_process(answer_queue_batches, records, done):
        done.get(timeout=START_S)
        whole = batch()

        def hand_over() -> None:
            records.put(whole)
            done.get()

        yield hand_over


@queues_processes.variant(contrast=True)
def pipe() -> Iterator[Handover]:
    here, there = multiprocessing.get_context("spawn").Pipe()
    with here, there, other_process(answer_pipe, there):
        if not here.poll(START_S) or here.recv_bytes() != READY:
            raise RuntimeError(f"the other process did not answer in {START_S:g} seconds; measure again")
        whole = batch().data

        def hand_over() -> None:
            here.send_bytes(whole)
            here.recv_bytes()

        yield hand_over


@queues_processes.variant
def lockfree() -> Iterator[Handover]:
    with two_rings() as (records, done), other_process(answer_ring, records.name, done.name):
        done.pop(1, timeout=START_S)
        whole = batch()

        def hand_over() -> None:
            records.push(whole, None)
            done.pop(1, None, None)

        yield hand_over


@queues_processes.variant(contrast=True)
def lockfree_single() -> Iterator[Handover]:
    with two_rings() as (records, done), other_process(answer_ring, records.name, done.name):
        done.pop(1, timeout=START_S)
        whole = batch()
        singles = [whole[index : index + 1] for index in range(RECORDS)]

        def hand_over() -> None:
            for record in singles:
                records.push(record, None)
            done.pop(1, None, None)

        yield hand_over


@queues_processes.variant(peer="faster_fifo")
def faster_fifo() -> Iterator[Handover]:
    import faster_fifo as library

    records, done = library.Queue(), library.Queue()
    with other_process(answer_faster_fifo, records, done):
        done.get(timeout=START_S)
        singles = single_records()

        def hand_over() -> None:
            records.put_many(singles)
            done.get(timeout=START_S)

        yield hand_over
