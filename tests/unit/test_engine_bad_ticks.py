import numpy as np
import pytest
from engine_feeds import SECOND_NS, SignalsAt, feed, journal_lines, of_kind

from latencykit.engine import (
    TICK_DTYPE,
    Engine,
    EngineConfig,
    FeedRules,
)
from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError

NAN = float("nan")


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "engine.journal"


BAD = {
    "unknown_symbol": (10, 1.0, 1.0, 1), "bad_price": (10, NAN, 1.0), "bad_volume": (10, 1.0, -1.0),
    "bad_quote": (10, 1.0, 1.0, 0, 1.0, NAN), "crossed_quote": (10, 1.0, 1.0, 0, 2.0, 1.0),
    "backwards": (8, 1.0, 1.0), "repeated_quote": (9, 10.0, 1.0, 0, 9.0, 11.0),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_tick_is_counted_and_changes_nothing(journal, kind):
    last = (9, 10.0, 1.0, 0, 9.0, 11.0)
    strategy = SignalsAt(*range(10))
    with Engine(EngineConfig(journal_path=journal), strategy=strategy) as engine:
        engine.on_tick(*last)
        before = engine.quote(), engine.indicators(), engine.position(0)
        assert engine.on_tick(*BAD[kind]) is None
        assert (engine.quote(), engine.indicators(), engine.position(0)) == before
        (fault,) = engine.faults()
        assert (fault.kind, fault.count, fault.first_row, fault.last_row) == (kind, 1, 1, 1)
        assert len(strategy.asked) == 1
    (line,) = of_kind(journal, "S")
    assert (line[0], line[-1]) == ("1", kind)


@pytest.mark.parametrize("kind", [*BAD, "repeated_trade", "gap"])
def test_a_rule_may_halt(journal, kind):
    ticks = {**BAD, "repeated_trade": (9, 10.0, 1.0), "gap": (10 * SECOND_NS, 1.0, 1.0)}
    quote = () if kind == "repeated_trade" else (0, 9.0, 11.0)
    rules = FeedRules(longest_gap="1s", **{kind: "halt"})
    engine = Engine(EngineConfig(feed_rules=rules, journal_path=journal))
    engine.on_tick(9, 10.0, 1.0, *quote)
    with pytest.raises(InvalidStateError, match=f"halted at row 1 .{kind}"):
        engine.on_tick(*ticks[kind])
    with pytest.raises(InvalidStateError, match="rearm"):
        engine.on_tick(20 * SECOND_NS, 10.0, 1.0)
    assert engine.stopped == (1, "bad tick")
    engine.rearm()
    engine.on_tick(10, 10.0, 2.0)
    engine.close()
    assert [fields[0] for fields in journal_lines(journal)] == ["T", "S", "X", "T"]


def test_a_run_ends_where_a_rule_halts_it():
    rows = feed(100).records()
    rows["price"][40] = NAN
    with Engine(EngineConfig(feed_rules=FeedRules(bad_price="halt"))) as engine:
        report = engine.run(rows)
        assert (report.ticks, report.updates, report.stopped) == (41, 40, (40, "bad tick"))
        with pytest.raises(InvalidStateError, match="halted"):
            engine.run(rows)


@pytest.mark.parametrize("bad", ["AAPL", None, [1]])
def test_what_is_no_number_is_refused(bad):
    with Engine() as engine:
        for arguments in ((bad, 1.0, 1.0), (0, bad, 1.0), (0, 1.0, bad), (0, 1.0, 1.0, bad)):
            with pytest.raises(InvalidTypeError):
                engine.on_tick(*arguments)
        for count in (0, 2, 7):
            with pytest.raises(InvalidTypeError, match=rf"\({count} arguments were given\)"):
                engine.on_tick(*[1] * count)
        assert engine.run(feed(1)).ticks == 1


@pytest.mark.parametrize("chunk", [np.zeros(3), [1, 2], np.zeros(3, dtype=[("price", float)])])
def test_a_chunk_that_is_not_of_ticks(chunk):
    with Engine() as engine, pytest.raises((InvalidTypeError, InvalidValueError)):
        engine.run(iter([chunk]))


def test_a_strided_chunk_is_taken_in():
    rows = feed(20).records()[::2]
    assert not rows.flags.c_contiguous
    with Engine() as engine:
        assert engine.run(rows).ticks == 10
    assert rows.dtype == TICK_DTYPE
