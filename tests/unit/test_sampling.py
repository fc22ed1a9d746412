"""The truth, on a simulated clock: what an operation is known to take is what is reported, floors and all."""

import pytest

from latencykit import _core
from latencykit.analysis.summaries import summarise
from latencykit.measuring import sampling
from latencykit.measuring.effort import Effort, effort_for
from latencykit.measuring.sampling import Subject, measure_operation
from latencykit.suite import Operation, call, replay

EFFORT = Effort(operation_ns=60_000_000, meter_ns=1_000_000)
SUBJECT = Subject("truth", "probe")


def rows_of(operation: Operation, clock: "_core.SimulatedClock"):
    batched, per_call = measure_operation(SUBJECT, operation, EFFORT, clock)
    return batched, summarise(batched).result, summarise(per_call).result


@pytest.mark.parametrize("ns", [20, 1_000, 10_000, 1_000_000])
@pytest.mark.parametrize(("step", "read_cost"), [(1, 0), (10, 25)])
def test_a_known_duration_is_reported(ns, step, read_cost):
    clock = _core.SimulatedClock(step, read_cost)
    samples, batched, per_call = rows_of(call(clock.advance, ns), clock)
    assert batched.p50_ns == pytest.approx(ns, rel=0.03, abs=step / samples.batch_size + 0.1)
    assert per_call.p50_ns == pytest.approx(ns, rel=0.03, abs=step)
    assert batched.floor_ns == pytest.approx(read_cost / samples.batch_size, abs=step / samples.batch_size)


def test_a_known_tail_is_found_and_the_centre_does_not_move():
    clock = _core.SimulatedClock(10)
    operation = replay(clock.advance, [(1_000,)] * 99 + [(50_000,)])
    _, batched, per_call = rows_of(operation, clock)
    assert per_call.p50_ns == pytest.approx(1_000, rel=0.03)
    assert per_call.p999_ns == pytest.approx(50_000, rel=0.05)
    assert batched.p50_ns < 3_000


def test_batches_are_long_against_the_clocks_step():
    clock = _core.SimulatedClock(10)
    samples, row, _ = rows_of(call(clock.advance, 25), clock)
    assert samples.batch_size * 25 >= 15_000
    assert row.resolution_ns == 10 / samples.batch_size
    assert row.count == len(samples.batch_ns) * samples.batch_size


def test_a_slow_operation_is_a_batch_of_its_own():
    clock = _core.SimulatedClock()
    samples, row, _ = rows_of(call(clock.advance, 50_000_000), clock)
    assert samples.batch_size == 1
    assert row.p50_ns == 50_000_000


def test_the_frame_of_a_closure_is_in_its_floor():
    batched, _ = measure_operation(SUBJECT, Operation(lambda: None, closure=True), EFFORT)
    assert summarise(batched).result.p50_ns < batched.floor_ns


def test_the_pause_between_bursts_runs_and_is_not_timed():
    clock = _core.SimulatedClock()
    pauses = []

    def pause():
        pauses.append(clock.now_ns)
        clock.advance(1_000_000)

    _, batched, per_call = rows_of(call(clock.advance, 100, between=pause), clock)
    assert len(pauses) > 6
    assert batched.p50_ns == per_call.max_ns == 100


def test_allocations_are_counted_by_domain():
    big = 1 << 80
    batched, per_call = measure_operation(SUBJECT, call(big.__add__, 1), EFFORT)
    assert batched.allocations_per_op == per_call.allocations_per_op == 1
    assert batched.allocations["object"] == 1
    nothing, _ = measure_operation(SUBJECT, call(_core.noop, big, big), EFFORT)
    assert nothing.allocations_per_op == 0


def test_allocations_are_counted_over_every_row():
    rows = [(0,)] * 9_999 + [(1 << 80,)]
    batched, _ = measure_operation(SUBJECT, replay((1).__mul__, rows), EFFORT)
    assert batched.allocations["object"] == pytest.approx(1e-4)
    assert batched.input_rows == 10_000


def test_batches_are_taken_all_the_time_when_few_of_them_fit(monkeypatch):
    monkeypatch.setattr(sampling, "MAX_BATCHES", 50)
    positions = []
    take = sampling._Sampler._take_batches

    def spy(self, operation, buffer):
        positions.append(self.calls.count)
        return take(self, operation, buffer)

    monkeypatch.setattr(sampling._Sampler, "_take_batches", spy)
    batched, per_call = measure_operation(SUBJECT, call(abs, -1), EFFORT)
    burst = max(1, sampling.BURST_CALLS // batched.batch_size)
    assert len(batched.batch_ns) <= max(50, sampling.MIN_ROUNDS * burst) + burst
    assert positions[-1] > per_call.count // 2


def test_an_operation_that_raises_says_so():
    with pytest.raises(ZeroDivisionError):
        measure_operation(SUBJECT, call(divmod, 1, 0), EFFORT)


def test_time_is_split_fairly():
    assert effort_for("quick", 5).operation_ns == 1_000_000_000
    assert effort_for("quick", 72).operation_ns == 500_000_000
    assert effort_for("default", 1).operation_ns > effort_for("quick", 1).operation_ns
    assert effort_for("rigorous", 1_000).operation_ns == effort_for("rigorous", 1).operation_ns
    effort = effort_for("default", 7)
    assert effort.warm_up_ns + effort.sampling_ns + effort.allocation_ns <= effort.operation_ns


def test_figures_are_of_one_item_where_a_call_does_many():
    clock = _core.SimulatedClock(10, 25)
    (samples,) = measure_operation(SUBJECT, call(clock.advance, 1_000_000, items=500), EFFORT, clock)
    row = summarise(samples).result
    assert samples.mode == "batched"
    assert row.p50_ns == pytest.approx(2_000, rel=0.03)
    assert samples.batch_size == 500
    assert row.count == 500 * len(samples.batch_ns)
    assert row.floor_ns == pytest.approx(25 / 500, abs=10 / 500)
    assert row.resolution_ns == 10 / 500


def test_allocations_are_of_one_item_too():
    (samples,) = measure_operation(SUBJECT, call(lambda: [bytearray(600) for _ in range(100)], items=100), EFFORT)
    one, _ = measure_operation(SUBJECT, call(bytearray, 600), EFFORT)
    assert samples.allocations_per_op == pytest.approx(one.allocations_per_op, rel=0.1)
