import io

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader as TheirReader
from hdrh.log import HistogramLogWriter as TheirWriter

from latencykit.engine import HistogramLogWriter, PerformanceStats, read_histogram_log
from latencykit.errors import DataError, InvalidTypeError, InvalidValueError
from latencykit.histogram import Histogram, encode
from latencykit.histogram_log import parse_histogram_log

START_NS = 1_700_000_000_123_456_789
TEXT = encode(Histogram())


def of(*values):
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


def parsed(*lines):
    return list(parse_histogram_log(lines, "x.hlog"))


@pytest.fixture
def log(tmp_path):
    """A log that we wrote: its path and the intervals that are in it."""
    path = tmp_path / "ours.hlog"
    intervals = [(of(5, 17_000_000), 10**9, "a"), (of(), 1, "b"), (of(3), 20_000_000, "")]
    start_ns = START_NS
    with path.open("w") as stream:
        writer = HistogramLogWriter(stream, START_NS, "two lines\nof comment")
        for histogram, length_ns, tag in intervals:
            writer.write(histogram, start_ns, start_ns + length_ns, tag)
            start_ns += length_ns
        writer.comment("the end")
    return path, intervals


def test_what_a_log_looks_like(log):
    lines = log[0].read_text().splitlines()
    assert lines == [
        "#two lines",
        "#of comment",
        "#[Histogram log format version 1.3]",
        "#[StartTime: 1700000000.123456789 (seconds since epoch), 2023-11-14T22:13:20+00:00]",
        "#[BaseTime: 0.000 (seconds since epoch)]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
        f"Tag=a,1700000000.123456789,1.000,17.007,{encode(of(5, 17_000_000))}",
        f"Tag=b,1700000001.123456789,0.000000001,0.000,{TEXT}",
        f"1700000001.12345679,0.020,0.000,{encode(of(3))}",
        "#the end",
    ]


def test_we_read_what_we_wrote_to_the_nanosecond(log):
    path, intervals = log
    entries = list(read_histogram_log(path))
    assert [(entry.histogram, entry.end_ns - entry.start_ns, entry.tag) for entry in entries] == intervals
    assert entries[0].start_ns == START_NS
    assert entries[1].start_ns == entries[0].end_ns


def test_the_reference_reads_what_we_wrote(log):
    path, intervals = log
    reader = TheirReader(str(path), HdrHistogram(1, 3_600_000_000_000, 3))
    try:
        for histogram, length_ns, tag in intervals:
            theirs = reader.get_next_interval_histogram()
            assert theirs.encode().decode() == encode(histogram)
            assert (theirs.get_tag() or "") == tag
            length_ms = theirs.get_end_time_stamp() - theirs.get_start_time_stamp()
            assert length_ms == pytest.approx(length_ns / 1e6, abs=1e-3)
        assert reader.get_next_interval_histogram() is None
        assert reader.get_start_time_sec() == pytest.approx(START_NS / 1e9)
    finally:
        reader.close()


def test_we_read_what_the_reference_wrote(tmp_path):
    path = tmp_path / "theirs.hlog"
    theirs = HdrHistogram(1, 3_600_000_000_000, 3)
    theirs.record_value(1234)
    with path.open("w") as stream:
        writer = TheirWriter(stream)
        writer.output_comment("hello")
        writer.output_log_format_version()
        writer.output_base_time(1_700_000_000_500)
        writer.output_legend()
        writer.output_interval_histogram(theirs, 0.25, 1.5)
    (entry,) = read_histogram_log(path)
    assert (entry.start_ns, entry.end_ns, entry.tag) == (1_700_000_000_750_000_000, 1_700_000_002_000_000_000, "")
    assert entry.histogram == of(1234)


def test_statistics_log_their_intervals_under_their_name():
    times = iter([10**9, 3 * 10**9, 4 * 10**9])
    stats = PerformanceStats("signals", clock=lambda: next(times))
    stats.record(5)
    out = io.StringIO()
    log = HistogramLogWriter(out, stats.start_ns)
    stats.take_interval().log_to(log)
    stats.log_to(log)
    entries = parsed(*out.getvalue().splitlines())
    assert [(e.start_ns, e.end_ns, e.tag, e.histogram.count) for e in entries] == [
        (10**9, 3 * 10**9, "signals", 1),
        (10**9, 4 * 10**9, "signals", 1),
    ]


@pytest.mark.parametrize(
    ("head", "start_s"),
    [
        ((), 5),
        (("#[StartTime: 1000.0 (seconds since epoch)]",), 5),
        (("#[StartTime: 1700000000.5 (seconds since epoch), x]",), 1_700_000_005.5),
        (("#[StartTime: 1700000000.5 (seconds since epoch)]", "#[BaseTime: 100. (seconds since epoch)]"), 105),
    ],
)
def test_times_count_from_the_base_time_stated_or_deduced(head, start_s):
    (entry,) = parsed(*head, f"5.0,1.0,0,{TEXT}")
    assert entry.start_ns == round(start_s * 1e9)


def test_empty_lines_comments_and_line_ends_do_not_matter():
    assert len(parsed("", "# [StartTime: soon]\n", "#\udcff", f"Tag=,1,2,3,{TEXT}\r\n", "  ")) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "'nonsense' is not an interval"),
        (f"1.0,2.0,{TEXT}", "is not an interval"),
        (f"-1.0,2.0,3,{TEXT}", "is not an interval"),
        (f"1e9,2.0,3,{TEXT}", "is not an interval"),
        (f"nan,2.0,3,{TEXT}", "is not an interval"),
        (f"Tag=a b,1.0,2.0,3,{TEXT}", "is not an interval"),
        ("9" * 100, "is not an interval"),
        ("1.0,2.0,3,HISTFAAA", "too few for its cookie|states"),
        ("1.0,2.0,3,%%%", "not base64"),
        ("#[StartTime: soon (seconds)]", "does not give its time"),
        ("#[BaseTime: -1.0 (seconds)]", "does not give its time"),
    ],
)
def test_a_damaged_line_is_named(line, message):
    with pytest.raises(DataError, match=message) as raised:
        parsed("#first", line)
    assert str(raised.value).startswith("x.hlog, line 2: ")


def test_what_came_before_a_damaged_line_is_there(tmp_path):
    path = tmp_path / "cut.hlog"
    path.write_bytes(f"1,1,0,{TEXT}\n".encode() + b"1,1,0,\xff\xfe\n")
    entries = read_histogram_log(path)
    assert next(entries).histogram == Histogram()
    with pytest.raises(DataError, match=f"{path}, line 2: "):
        next(entries)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        next(read_histogram_log(tmp_path / "none.hlog"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, 1), "ends at 1 ns, before it starts at 2 ns"),
        ((-1, 1), "start_ns is -1"),
        ((1, 2, "a,b"), "tag 'a,b' holds a comma"),
        ((1, 2, "a b"), "tag 'a b' holds"),
    ],
)
def test_what_cannot_be_logged(arguments, message):
    writer = HistogramLogWriter(io.StringIO(), 0)
    with pytest.raises(InvalidValueError, match=message):
        writer.write(Histogram(), *arguments)


def test_times_that_are_no_whole_numbers():
    with pytest.raises(InvalidTypeError, match=r"start_ns is 1\.5"):
        HistogramLogWriter(io.StringIO(), 1.5)
    with pytest.raises(InvalidValueError, match="start_ns is -5"):
        HistogramLogWriter(io.StringIO(), -5)


def test_a_start_beyond_the_calendar_has_no_date():
    out = io.StringIO()
    HistogramLogWriter(out, 10**30)
    assert "no date" in out.getvalue()


@pytest.mark.parametrize("stream", [None, "signals.hlog", io.BytesIO()])
def test_a_stream_that_takes_no_text_is_refused_with_the_remedy(stream):
    with pytest.raises(InvalidTypeError, match=r"is not an open text file; pass open\(path, 'w'\)"):
        HistogramLogWriter(stream, 0)


def test_what_is_no_histogram_or_no_tag_is_refused():
    writer = HistogramLogWriter(io.StringIO(), 0)
    with pytest.raises(InvalidTypeError, match="None is no histogram"):
        writer.write(None, 0, 1)
    with pytest.raises(InvalidTypeError, match="tag 5 is not text"):
        writer.write(Histogram(), 0, 1, 5)
