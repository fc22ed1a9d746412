"""The journal of an engine as a feed: what the engine took, bit for bit, and what is damaged."""

import os

import numpy as np
import pytest
from engine_feeds import SECOND_NS, feed

from latencykit.engine import (
    TICK_DTYPE,
    ArrayFeed,
    CsvFeed,
    Engine,
    EngineConfig,
    FeedRules,
    JournalFeed,
    damage_of,
    feed_of,
    place_of,
)
from latencykit.errors import DataError, InvalidValueError

HEAD = '# latencykit.journal/1 {"symbols": 1}\n'
FIRST = "T,0,10,0,1.5,2.0,,,1.500000,1.500000,1.500000,50.000000\n"
SECOND = "H,1,20,3,1.25,0.0,1.0,1.5\n"
SKIPPED = "S,2,5,0,,1.0,,,bad_price\n"


def joined(source):
    return np.concatenate([np.empty(0, TICK_DTYPE), *source.chunks()])


def hostile(count=500):
    """Return ticks of which many are skipped or held, quotes and trades of three symbols."""
    rng = np.random.default_rng(3)
    ticks = np.zeros(count, TICK_DTYPE)
    ticks["timestamp_ns"] = np.cumsum(rng.integers(-SECOND_NS, 3 * SECOND_NS, count))
    ticks["price"] = rng.choice([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300, 5e-324, 0.1, 100 / 3, 1e22], count)
    ticks["volume"] = rng.choice([0.0, 7.0, -1.0, np.nan, 1 / 3], count)
    ticks["bid"], ticks["ask"] = rng.choice([np.nan, 1.0, 2.0, -0.0], count), rng.choice([np.nan, 1.5, np.inf], count)
    ticks["symbol"] = rng.choice([0, 1, 2, 3, 2**32 - 1], count)
    return ticks


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "a.journal"
        path.write_text(text)
        return path

    return write


def told(source):
    return [(damage.kind, damage.count, damage.first_line, damage.last_line) for damage in damage_of(source)]


@pytest.mark.parametrize(
    ("ticks", "settings"),
    [
        (feed(3_000), {}),
        (feed(300), {"update_interval": 3.0}),
        (hostile(), {"symbols": 3, "update_interval": 0.5}),
        (hostile(), {"symbols": 3, "feed_rules": FeedRules(backwards="accept", crossed_quote="accept")}),
    ],
    ids=["trades", "held", "hostile", "accepted"],
)
def test_a_replay_makes_the_same_journal_of_the_same_ticks(tmp_path, ticks, settings):
    first, again = tmp_path / "first", tmp_path / "again"
    with Engine(EngineConfig(journal_path=first, **settings)) as engine:
        engine.run(ticks)
    with Engine(EngineConfig(journal_path=again, **settings)) as engine:
        engine.run(first)
    assert again.read_bytes() == first.read_bytes()
    took, given = joined(JournalFeed(first, chunk_rows=7)), joined(ArrayFeed(ticks))
    assert len(took) == len(given)
    for name in ("timestamp_ns", "price", "volume", "bid", "ask", "symbol"):
        np.testing.assert_array_equal(took[name], given[name])


def test_feed_of_tells_a_journal_from_other_files(write, tmp_path):
    assert isinstance(feed_of(write(HEAD + FIRST)), JournalFeed)
    assert isinstance(feed_of(str(write("timestamp,price\n"))), CsvFeed)
    assert isinstance(feed_of(tmp_path / "missing"), CsvFeed)
    os.mkfifo(tmp_path / "pipe")
    assert isinstance(feed_of(tmp_path / "pipe"), CsvFeed)  # and it was not waited for


def test_lines_are_read_as_they_were_written(write):
    source = JournalFeed(write(HEAD + FIRST + "O,0,1,buy,100,1.5,0.9,1.6,1.4\nR,0,rate,buy,5,1.5\n" + SECOND + SKIPPED))
    ticks = joined(source)
    assert ticks["timestamp_ns"].tolist() == [10, 20, 5]
    assert ticks["symbol"].tolist() == [0, 3, 0]
    assert (ticks["bid"][1], ticks["ask"][1]) == (1.0, 1.5)
    assert np.isnan(ticks["price"][2])
    assert np.isnan(ticks["bid"][[0, 2]]).all()
    assert [place_of(source, row).rpartition(":")[2] for row in range(3)] == ["2", "5", "6"]
    assert told(source) == []
    assert source.settings() == {"symbols": 1}


@pytest.mark.parametrize(
    ("damaged", "expected", "ticks"),
    [
        (FIRST + SECOND.rstrip("\n"), [("fields", 1, 3, 3)], 1),  # cut off where it looks whole
        (FIRST + "H,1,20,3,1.25\n" + SKIPPED, [("fields", 1, 3, 3)], 2),
        (FIRST + "Q,1\n" + SECOND, [("fields", 1, 3, 3)], 2),
        (FIRST + "H,1,2x,3,1.25,0.0,1.0,1.5\n" + SKIPPED, [("number", 1, 3, 3)], 2),
        (FIRST + f"H,1,{2**63},3,1.25,0.0,1.0,1.5\n" + SKIPPED, [("number", 1, 3, 3)], 2),
        (FIRST + f"H,1,5,{2**32},1.25,0.0,1.0,1.5\n" + SKIPPED, [("number", 1, 3, 3)], 2),
        (FIRST + SKIPPED, [("missing", 1, 3, 3)], 2),
        (SKIPPED, [("missing", 2, 2, 2)], 1),
    ],
)
def test_damaged_lines_are_counted_and_the_rest_is_handed_over(write, damaged, expected, ticks):
    path = write(HEAD + damaged)
    source = JournalFeed(path)
    assert len(joined(source)) == ticks
    assert told(source) == expected
    with pytest.raises(DataError, match=rf"a\.journal:{expected[0][2]}: expected .* got "):
        joined(JournalFeed(path, on_damage="halt"))


@pytest.mark.parametrize("head", ["", "# latencykit.journal/1 {\n", "# latencykit.journal/1 []\n", "timestamp,price\n"])
def test_what_is_no_journal_is_refused(write, head):
    source = JournalFeed(write(head + FIRST))
    with pytest.raises(DataError, match=r"a\.journal:1: expected the first line"):
        joined(source)
    with pytest.raises(DataError, match="first line"):
        source.settings()


def test_what_cannot_be_read_is_said(tmp_path):
    for call in (joined, JournalFeed.settings):
        with pytest.raises(DataError, match="cannot be read"):
            call(JournalFeed(tmp_path / "missing"))


def test_arguments_are_checked(tmp_path):
    with pytest.raises(InvalidValueError, match="on_damage"):
        JournalFeed(tmp_path, on_damage="accept")
    with pytest.raises(InvalidValueError, match="chunk_rows"):
        JournalFeed(tmp_path, chunk_rows=0)
