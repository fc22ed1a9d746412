"""Of any file, each line is a tick or counted as damaged; what is good is what read_ticks reads of it alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latencykit.engine import TICK_DTYPE, CsvFeed, read_ticks
from latencykit.errors import DataError

HEADER = "timestamp,price,size\n"
GOOD = st.tuples(st.integers(10**9, 4 * 10**9), st.floats(1e-9, 1e12), st.floats(0, 1e12)).map(
    lambda row: f"{row[0]},{row[1]!r},{row[2]!r}"
)
BAD = st.sampled_from(
    ["soon,1,2", "1000000000,1", "1000000000,1,2,3", "1000000000,x,1", "1000000000,1,", '"', "x" * 70_000]
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("csv_feed") / "ticks.csv"


def joined(feed):
    return np.concatenate([np.empty(0, TICK_DTYPE), *feed.chunks()])


@given(lines=st.lists(st.one_of(GOOD, BAD, st.just("")), max_size=30), first=GOOD, rows=st.integers(1, 7))
def test_good_lines_are_ticks_and_bad_ones_are_counted(path, lines, first, rows):
    lines = [first, *lines]
    good = [line for line in lines if is_good(line)]
    path.write_text(HEADER + "\n".join(sorted(good)) + "\n")
    expected = np.sort(read_ticks(path).records(), order=["timestamp_ns", "price", "volume"])
    path.write_text(HEADER + "\n".join(lines) + "\n")
    feed = CsvFeed(path, chunk_rows=rows)
    records = joined(feed)
    assert np.sort(records, order=["timestamp_ns", "price", "volume"]).tobytes() == expected.tobytes()
    assert sum(damage.count for damage in feed.damage) == sum(bool(line) for line in lines) - len(good)
    numbers = [number for number, line in enumerate(lines, 2) if is_good(line)]
    assert [feed.place(row) for row in range(len(records))] == [f"{path}:{number}" for number in numbers]


def is_good(line):
    fields = line.split(",")
    return len(fields) == 3 and fields[0].isdigit() and fields[1][:1].isdigit() and fields[2] != ""


@given(content=st.binary(max_size=300), rows=st.integers(1, 5))
def test_no_line_of_any_file_is_lost(path, content, rows):
    path.write_bytes(HEADER.encode() + content)
    feed = CsvFeed(path, chunk_rows=rows)
    lines = path.read_text(encoding="utf-8-sig", errors="backslashreplace").split("\n")[1:]
    try:
        records = joined(feed)
    except DataError:
        records = np.empty(0, TICK_DTYPE)
    counted = sum(damage.count for damage in feed.damage)
    assert len(records) + counted == sum(bool(line.strip()) for line in lines)
