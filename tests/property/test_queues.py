"""The queues against collections.deque, whatever is done to them in whatever order."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from latencykit.engine import MpmcQueue, RecordQueue, SpscQueue, UnboundedQueue
from latencykit.engine.queues import ClosedError

TICK = np.dtype([("number", "i8"), ("half", "f4")])
MAKERS = {
    "spsc": SpscQueue,
    "mpmc": MpmcQueue,
    "unbounded": lambda _capacity: UnboundedQueue(),
    "records": lambda capacity: RecordQueue(TICK, capacity),
}


class AgainstDeque(RuleBasedStateMachine):
    """One queue of any kind beside a deque."""

    @initialize(kind=st.sampled_from(sorted(MAKERS)), capacity=st.integers(1, 9))
    def make(self, kind, capacity):
        self.shared = MAKERS[kind](capacity)
        self.capacity = 10**9 if kind == "unbounded" else capacity
        self.records = kind == "records"
        self.model = deque()
        self.closed = False
        self.next = 0

    def fresh(self, count):
        numbers = list(range(self.next, self.next + count))
        self.next += count
        return numbers

    def as_items(self, numbers):
        return np.array([(n, n / 2) for n in numbers], TICK) if self.records else numbers

    def plain(self, item):
        return int(item["number"]) if self.records else item

    @rule(by_tuple=st.booleans())
    def try_push(self, by_tuple):
        (number,) = self.fresh(1)
        item = (number, number / 2) if self.records and by_tuple else self.as_items([number])[0]
        if self.closed:
            with pytest.raises(ClosedError):
                self.shared.try_push(item)
            return
        fits = len(self.model) < self.capacity
        assert self.shared.try_push(item) is fits
        if fits:
            self.model.append(number)

    @rule(count=st.integers(0, 1_200))
    def push_many(self, count):
        items = self.as_items(self.fresh(count))
        if self.closed:
            with pytest.raises(ClosedError):
                self.shared.push_many(items)
            return
        fitting = min(count, self.capacity - len(self.model))
        assert self.shared.push_many(items) == fitting
        self.model.extend(range(self.next - count, self.next - count + fitting))

    @rule(waiting=st.booleans())
    def pop(self, waiting):
        pop = (lambda: self.shared.pop(timeout=0)) if waiting else self.shared.try_pop
        if self.model:
            assert self.plain(pop()) == self.model.popleft()
        elif self.closed:
            with pytest.raises(ClosedError):
                pop()
        else:
            assert self.shared.try_pop("nothing") == "nothing"

    @rule(most=st.none() | st.integers(0, 1_500))
    def pop_many(self, most):
        if self.closed and not self.model:
            with pytest.raises(ClosedError):
                self.shared.pop_many(most)
            return
        count = len(self.model) if most is None else min(most, len(self.model))
        assert [self.plain(item) for item in self.shared.pop_many(most)] == [self.model.popleft() for _ in range(count)]

    @rule(often=st.integers(0, 30))
    def close(self, often):
        if often == 0:
            self.shared.close()
            self.closed = True

    @invariant()
    def same_length(self):
        if hasattr(self, "shared"):
            assert len(self.shared) == len(self.model)
            assert self.shared.closed is self.closed


TestAgainstDeque = AgainstDeque.TestCase
TestAgainstDeque.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.binary(max_size=200), st.integers(1, 40), st.integers(1, 7))
@settings(deadline=None)
def test_bytes_of_records_survive(data, size, capacity):
    dtype = np.dtype([("data", f"V{size}")])
    rows = np.frombuffer(data[: len(data) // size * size], dtype)
    shared, out = RecordQueue(dtype, capacity), []
    done = 0
    while done < len(rows):
        done += shared.push_many(rows[done:])
        out.append(shared.pop_many().tobytes())
    assert b"".join(out) == rows.tobytes()
