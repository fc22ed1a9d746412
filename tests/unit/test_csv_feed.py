"""CSV files read in chunks: damaged lines are counted by kind with their lines, and the rest is handed over."""

from pathlib import Path

import numpy as np
import pytest

from latencykit.engine import TICK_DTYPE, CsvFeed, read_ticks
from latencykit.engine.line_places import LinePlaces
from latencykit.errors import DataError, InvalidValueError

MARKET_DATA = Path(__file__).parents[3] / "shared" / "data"
REAL = ["btc_perp_1m_2022-01.csv", "eurusd_quotes_2020-01.csv", "usdjpy_ticks_2013-01.csv", "goog_daily_yahoo.csv"]
JANUARY_5_NS = 1_641_340_800_000_000_000
BARS = "timestamp,open,high,low,close,volume\n"
BAR = "2022-01-05,10,12,9,11,100\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "ticks.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def joined(feed):
    return np.concatenate([np.empty(0, TICK_DTYPE), *feed.chunks()])


def told(feed):
    return [(damage.kind, damage.count, damage.first_line, damage.last_line) for damage in feed.damage]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("rows", [997, 100_000])
def test_real_files_are_what_read_ticks_reads(name, rows):
    path = MARKET_DATA / name
    if not path.exists():
        pytest.skip(f"the market data {path} is not here")
    feed = CsvFeed(path, chunk_rows=rows)
    assert joined(feed).tobytes() == read_ticks(path).records().tobytes()
    assert feed.damage == ()


def test_every_kind_of_damage_is_counted_with_its_lines(write):
    text = BARS + BAR + "2022-01-06,10,12\n" + "soon,10,12,9,11,100\n" + BAR + "2022-01-07,10,12,9,many,100\n" + "1,2\n"
    path = write(text)
    feed = CsvFeed(path)
    assert joined(feed)["timestamp_ns"].tolist() == [JANUARY_5_NS, JANUARY_5_NS]
    assert told(feed) == [("fields", 2, 3, 7), ("time", 1, 4, 4), ("number", 1, 6, 6)]
    assert [damage.first_error for damage in feed.damage] == [
        f"{path}:3: expected 6 fields, got 3; the row is damaged or the file was cut off here: "
        "repair or remove the row",
        f"{path}:4: expected a time such as 2022-01-05T09:30:00.5Z, 2022-01-05, 20220105 093000500 or an epoch in s, "
        "ms, us or ns, got 'soon'; repair or remove the row",
        f"{path}:6: expected a number as close, got 'many'; repair or remove the row",
    ]


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_the_size_of_the_chunks_changes_nothing(write, rows):
    path = write(BARS + "soon,1,1,1,1,1\n" + BAR + "\n" + BAR + "x\n" + BAR * 3)
    feed = CsvFeed(path, chunk_rows=rows)
    records = joined(feed)
    assert records.tobytes() == joined(CsvFeed(path)).tobytes()
    assert told(feed) == [("time", 1, 2, 2), ("fields", 1, 6, 6)]
    assert [feed.place(row) for row in range(5)] == [f"{path}:{line}" for line in (3, 5, 7, 8, 9)]


def test_a_file_cut_off_in_the_middle_of_a_row(write):
    feed = CsvFeed(write(BARS + BAR * 2 + BAR[:17]))
    assert len(joined(feed)) == 2
    assert told(feed) == [("fields", 1, 4, 4)]


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_halting_hands_over_what_came_before(write, rows):
    path = write(BARS + BAR * 3 + "soon,1,1,1,1,1\n" + BAR)
    feed = CsvFeed(path, on_damage="halt", chunk_rows=rows)
    got = []
    with pytest.raises(DataError, match=rf"{path}:5: expected a time"):
        got.extend(feed.chunks())
    assert sum(map(len, got)) == 3
    assert told(feed) == [("time", 1, 5, 5)]


def test_what_is_a_number_is_handed_over_as_it_is(write):
    quotes = "timestamp,bid,ask,volume\n2022-01-06,nan,1.5,-1\n2022-01-05,1.75,1.5,inf\n2022-01-05,-1,0,0\n"
    feed = CsvFeed(write(quotes), symbol=3)
    records = joined(feed)
    assert feed.damage == ()
    assert records["bid"].tolist()[1:] == [1.75, -1.0]
    assert records["ask"].tolist() == [1.5, 1.5, 0.0]
    assert records["volume"].tolist() == [-1.0, float("inf"), 0.0]
    assert records["timestamp_ns"].tolist() == [JANUARY_5_NS + 86_400_000_000_000, JANUARY_5_NS, JANUARY_5_NS]
    assert np.isnan(records["price"][0])
    assert records["symbol"].tolist() == [3, 3, 3]


@pytest.mark.parametrize("column", ["open", "high", "low"])
@pytest.mark.parametrize("value", ["-1", "0", "nan", "inf"])
def test_prices_that_a_tick_does_not_have_are_looked_at_here(write, column, value):
    fields = {"open": "10", "high": "12", "low": "9", "close": "11", column: value}
    path = write(BARS + BAR + f"2022-01-05,{','.join(fields.values())},1\n")
    feed = CsvFeed(path)
    assert len(joined(feed)) == 1
    assert (
        feed.damage[0].first_error == f"{path}:3: expected a positive {column}, got {value!r}; repair or remove the row"
    )


def test_times_are_written_as_the_first_that_is_one(write):
    feed = CsvFeed(write(BARS + "soon,1,1,1,1,1\n2022-01-0,1,1,1,1,1\n" + BAR + "1641340800,1,1,1,1,1\n"))
    assert len(joined(feed)) == 1
    assert told(feed) == [("time", 3, 2, 5)]


def test_a_quote_that_never_closes_spoils_its_line_only(write):
    feed = CsvFeed(write(BARS + '"2022-01-05,1,1,1,1,1\n' + '"2022-01-05","1",1,1,1,1\n' + BAR))
    assert len(joined(feed)) == 2
    assert told(feed) == [("fields", 1, 2, 2)]


def test_a_line_without_end_is_one_damaged_line(write):
    feed = CsvFeed(write(BARS + BAR + "x" * 300_000 + "\n" + BAR + "y" * 65_536))
    assert len(joined(feed)) == 2
    assert told(feed) == [("fields", 2, 3, 5)]
    assert feed.place(1).endswith(":4")


def test_bytes_that_are_no_text(write):
    feed = CsvFeed(write((BARS + BAR).encode() + b"2022-01-05,10,12,9,\xff\0,100\r\n" + BAR.encode()))
    assert len(joined(feed)) == 2
    assert told(feed) == [("number", 1, 3, 3)]


def test_a_pass_begins_its_counts_anew(write):
    feed = CsvFeed(write(BARS + "x\n" + BAR))
    first = joined(feed)
    assert told(feed) == [("fields", 1, 2, 2)]
    assert joined(feed).tobytes() == first.tobytes()
    assert told(feed) == [("fields", 1, 2, 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: expected a header .*, got an empty file; pass a file with ticks"),
        ("a;b;c\n", ":1: expected a header .*, got 'a;b;c'; add or correct the header"),
        ('"a,b\n', ":1: expected a header .*; add or correct the header"),
        (BARS, ":2: expected a row of bars after the header, got the end of the file"),
        (BARS + "x\nsoon,1,1,1,1,1\n", "none of 2 lines is a tick; .*:2: expected 6 fields, got 1"),
    ],
)
def test_files_without_a_tick(write, text, message):
    with pytest.raises(DataError, match=message):
        joined(CsvFeed(write(text)))


def test_a_file_that_does_not_exist(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: cannot be read \(No such file or directory\)"):
        joined(CsvFeed(tmp_path / "none.csv"))


@pytest.mark.parametrize("wrong", [{"on_damage": "ignore"}, {"symbol": -1}, {"symbol": 2**32}, {"chunk_rows": 0}])
def test_arguments_out_of_range(wrong):
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        CsvFeed("ticks.csv", **wrong)


def test_places_are_bounded(monkeypatch):
    monkeypatch.setattr("latencykit.engine.line_places._MOST_BREAKS", 2)
    places = LinePlaces()
    places.add([2, 3, 5])
    places.add([6, 8, 9])
    assert [places.line_of(row) for row in range(6)] == ["2", "3", "5", "6", "after 6", "after 6"]
    for row in (-1, 6):
        with pytest.raises(IndexError):
            places.line_of(row)
