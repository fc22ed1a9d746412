import base64
import copy
import struct
import zlib

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from latencykit.errors import InvalidStateError, InvalidTypeError, InvalidValueError
from latencykit.histogram import Histogram, decode, encode

HOUR_NS = 3_600_000_000_000


def of(*values, **layout):
    histogram = Histogram(**layout)
    for value in values:
        histogram.record(value)
    return histogram


def test_defaults_are_one_nanosecond_to_one_hour_at_three_digits():
    histogram = Histogram()
    assert (histogram.lowest, histogram.highest, histogram.digits) == (1, HOUR_NS, 3)
    assert histogram.buckets == HdrHistogram(1, HOUR_NS, 3).counts_len


def test_small_values_are_exact_and_large_ones_known_to_three_digits():
    histogram = of(0, 1, 2047, 2048, 123_456_789)
    assert [value for value, _ in histogram.iter_recorded()] == [0, 1, 2047, 2049, 123_469_823]
    assert histogram.max == pytest.approx(123_456_789, rel=1e-3)
    assert histogram.min == 0


def test_statistics_of_exactly_kept_values():
    histogram = of(2, 4, 4, 4, 5, 5, 7, 9)
    assert (histogram.count, histogram.min, histogram.max) == (8, 2, 9)
    assert (histogram.mean, histogram.stddev) == (5.0, 2.0)
    assert [histogram.value_at_rank(k) for k in range(1, 9)] == [2, 4, 4, 4, 5, 5, 7, 9]


@pytest.mark.parametrize("q", [0, 1e-300, 1, 12.5, 49.999, 50, 62.5, 99, 99.9, 100, 100.0])
def test_percentiles_are_those_of_the_reference(q):
    theirs = HdrHistogram(1, HOUR_NS, 3)
    ours = Histogram()
    for value in (5000, 5001, 70_000, 70_000, 1_000_000, 3_000_000_000):
        theirs.record_value(value)
        ours.record(value)
    assert ours.percentile(q) == theirs.get_value_at_percentile(q)


def test_above_the_highest_counts_as_the_highest_and_is_told():
    histogram = of(HOUR_NS, HOUR_NS + 1, 2**80)
    assert histogram.saturated == 2
    assert histogram.count == 3
    assert histogram == of(HOUR_NS, HOUR_NS, HOUR_NS)
    assert histogram.percentile(0) <= HOUR_NS <= histogram.max


def test_record_n_is_as_many_records():
    histogram = Histogram()
    histogram.record_n(700, 3)
    histogram.record_n(700, 0)
    assert histogram == of(700, 700, 700)


@pytest.mark.parametrize(
    ("value", "interval", "expected"),
    [
        (500, 100, [500, 400, 300, 200, 100]),
        (
            250,
            100,
            [250, 150],
        ),  # hdrhistogram 0.10 adds 50 here, which neither the Java nor the C edition does
        (100, 100, [100]),
        (101, 100, [101]),
        (200, 100, [200, 100]),
        (7, 0, [7]),
        (5, 1, [5, 4, 3, 2, 1]),
    ],
)
def test_correction_of_coordinated_omission(value, interval, expected):
    histogram = Histogram()
    histogram.record_corrected(value, interval)
    assert histogram == of(*expected)


def test_a_long_stall_at_a_short_interval_is_corrected_without_a_loop_over_its_calls():
    histogram = Histogram()
    histogram.record_corrected(HOUR_NS, 1)
    assert histogram.count == HOUR_NS
    assert histogram.mean == pytest.approx(HOUR_NS / 2, rel=1e-3)


def test_the_part_of_a_correction_above_the_highest_saturates():
    histogram = Histogram(1, 1000, 3)
    histogram.record_corrected(1500, 100)
    assert histogram.count == 15
    assert histogram.saturated == 5
    assert histogram.value_at_rank(10) == 1000


def test_arrays_of_each_kind():
    expected = of(1, 2, 2, 3000)
    for dtype in (np.int64, np.uint64, np.float64):
        histogram = Histogram()
        histogram.record_many(np.array([2, 1, 3000, 2], dtype))
        assert histogram == expected, dtype


def test_floats_are_rounded_to_the_nearest_halves_to_even():
    histogram = Histogram()
    histogram.record_many(np.array([0.5, 1.5, 0.49999999999999994, 2.4, -0.0, 1e300]))
    assert histogram == of(0, 2, 0, 2, 0, HOUR_NS)
    assert histogram.saturated == 1


def test_ticks_become_nanoseconds_rounded_to_the_nearest():
    histogram = Histogram()
    histogram.record_ticks(np.array([0, 26, 27, 52, 2**63], np.uint64), 1 / 2.6)
    assert histogram == of(0, 10, 10, 20, HOUR_NS)


def test_empty_and_read_only_arrays_are_fine():
    histogram = Histogram()
    histogram.record_many(np.array([], np.int64))
    fixed = np.array([4], np.int64)
    fixed.flags.writeable = False
    histogram.record_many(fixed)
    assert histogram == of(4)


@pytest.mark.parametrize(
    ("array", "position"),
    [
        (np.array([1, 2, -3], np.int64), 2),
        (np.array([1.0, np.nan]), 1),
        (np.array([np.inf]), 0),
        (np.array([-0.25]), 0),
    ],
)
def test_one_bad_value_leaves_the_histogram_as_it_was(array, position):
    histogram = of(7)
    with pytest.raises(InvalidValueError, match=f"value {position} of the array is "):
        histogram.record_many(array)
    assert histogram == of(7)


@pytest.mark.parametrize(
    "array",
    [
        [1, 2],
        np.zeros(4, np.int64)[::2],
        np.zeros((2, 2), np.int64),
        np.array(5, np.int64),
        np.zeros(2, np.int32),
        np.zeros(2, ">i8"),
        np.zeros(2, bool),
        np.zeros(2, "M8[ns]"),
        np.zeros(2, object),
        None,
    ],
)
def test_other_arrays_are_refused(array):
    with pytest.raises(InvalidTypeError):
        Histogram().record_many(array)


@pytest.mark.parametrize("ns_per_tick", [0, -1.0, float("nan"), float("inf"), 10**400])
def test_a_meaningless_tick_is_refused(ns_per_tick):
    with pytest.raises(InvalidValueError, match="ns_per_tick is"):
        Histogram().record_ticks(np.array([1], np.uint64), ns_per_tick)


def test_negative_durations_are_refused():
    histogram = Histogram()
    for refused in (
        lambda: histogram.record(-1),
        lambda: histogram.record(-(2**70)),
        lambda: histogram.record_n(-1, 1),
        lambda: histogram.record_n(1, -1),
        lambda: histogram.record_corrected(-1, 5),
        lambda: histogram.record_corrected(5, -1),
    ):
        with pytest.raises(InvalidValueError, match=r"is -[0-9]+, which is negative"):
            refused()
    assert histogram.count == 0


def test_things_that_are_no_whole_numbers_are_refused():
    histogram = Histogram()
    for bad in (1.5, "1", None, np.float64(2.0)):
        with pytest.raises(InvalidTypeError, match="not a whole number"):
            histogram.record(bad)
    histogram.record(np.int32(3))
    assert histogram == of(3)


@pytest.mark.parametrize("q", [-0.001, 100.001, float("nan"), float("inf"), 10**400])
def test_percentile_outside_0_to_100(q):
    with pytest.raises(InvalidValueError, match=r"not in 0\.\.100"):
        of(1).percentile(q)


def test_rank_outside_the_count():
    for rank in (0, -1, 3, 2**70):
        with pytest.raises(InvalidValueError, match=r"rank is .* not in 1\.\.2"):
            of(1, 2).value_at_rank(rank)


def test_an_empty_histogram_has_no_statistics():
    empty = Histogram()
    for ask in (
        lambda: empty.min,
        lambda: empty.max,
        lambda: empty.mean,
        lambda: empty.stddev,
        lambda: empty.percentile(50),
        lambda: empty.value_at_rank(1),
    ):
        with pytest.raises(InvalidStateError, match="empty histogram"):
            ask()
    assert empty.iter_recorded() == []
    assert empty.count == 0


@pytest.mark.parametrize(
    "layout",
    [
        {"lowest": 0},
        {"lowest": -1},
        {"digits": 0},
        {"digits": 6},
        {"digits": 2**32 + 3},
        {"highest": 1},
        {"lowest": 1000, "highest": 1999},
        {"highest": -(2**63)},
        {"lowest": 2**61, "highest": 2**63 - 1},
    ],
)
def test_impossible_layouts(layout):
    with pytest.raises(InvalidValueError, match=r"(lowest|highest|digits) is -?\d+"):
        Histogram(**layout)


def test_the_widest_layout():
    histogram = of(2**63 - 1, 0, lowest=1, highest=2**63 - 1, digits=5)
    assert (histogram.min, histogram.max, histogram.saturated) == (0, 2**63 - 1, 0)
    assert decode(encode(histogram)) == histogram


def test_merge_adds_counts_and_saturation():
    histogram = of(1, 2, 2**62)
    other = of(2, 2**62)
    histogram.merge(other)
    assert histogram == of(1, 2, 2, HOUR_NS, HOUR_NS)
    assert histogram.saturated == 2
    assert other == of(2, HOUR_NS)
    histogram.merge(histogram)
    assert histogram.count == 10


def test_merge_from_another_layout_records_each_bucket_at_its_lowest_value():
    histogram = Histogram(1, 10_000, 2)
    histogram.merge(of(5, 2500, 2501, 1_000_000, digits=4))
    assert histogram == of(5, 2500, 2501, 10_000, lowest=1, highest=10_000, digits=2)
    assert histogram.saturated == 1


def test_merge_of_something_else():
    with pytest.raises(InvalidTypeError, match="not dict"):
        Histogram().merge({})


def test_totals_are_bounded():
    histogram = Histogram()
    histogram.record_n(1, 2**62)
    before = histogram.copy()
    for refused in (
        lambda: histogram.record_n(1, 1),
        lambda: histogram.record_corrected(1, 0),
        lambda: histogram.merge(of(1)),
        lambda: histogram.record_many(np.array([1], np.int64)),
        lambda: histogram.record_ticks(np.array([1], np.uint64), 1.0),
    ):
        with pytest.raises(InvalidValueError, match=r"2\*\*62"):
            refused()
    assert histogram == before
    assert decode(encode(histogram)) == histogram


def test_copy_and_reset_are_independent():
    histogram = of(1, 2**62)
    twin = histogram.copy()
    histogram.reset()
    assert (histogram.count, histogram.saturated) == (0, 0)
    assert histogram == Histogram()
    assert (twin.count, twin.saturated) == (2, 1)


def test_equality():
    assert of(1) == of(1)
    assert of(1) != of(2)
    assert of(1) != of(1, digits=2)
    assert of(1) != 1
    assert of(HOUR_NS) == of(HOUR_NS + 1)
    with pytest.raises(TypeError):
        hash(of(1))
    with pytest.raises(TypeError):
        copy.copy(of(1)) < of(2)  # noqa: B015


def test_repr_shows_layout_and_count():
    assert repr(of(3)) == "Histogram(lowest=1, highest=3600000000000, digits=3, count=1)"


def test_wrong_number_of_arguments():
    for method in ("record_n", "record_corrected", "record_ticks"):
        with pytest.raises(InvalidTypeError, match=f"{method}\\(\\) takes 2 arguments, not 1"):
            getattr(Histogram(), method)(1)


def test_the_reference_reads_ours_and_we_read_the_reference():
    ours = Histogram()
    theirs = HdrHistogram(1, HOUR_NS, 3)
    for value in (0, 17, 17, 5_000_000, HOUR_NS):
        ours.record(value)
        theirs.record_value(value)
    assert encode(ours) == theirs.encode().decode()
    assert decode(theirs.encode()) == ours
    assert HdrHistogram.decode(encode(ours)).get_total_count() == 5


def test_an_empty_histogram_survives_encoding():
    assert decode(encode(Histogram())) == Histogram()
    assert encode(Histogram()) == HdrHistogram(1, HOUR_NS, 3).encode().decode()


def test_white_space_around_the_text_is_ignored():
    assert decode(f"  {encode(of(5))}\r\n") == of(5)


def test_counts_above_the_highest_that_the_reference_admits_are_kept():
    theirs = HdrHistogram(1, HOUR_NS, 3)
    theirs.record_value(4_000_000_000_000)
    ours = decode(theirs.encode())
    assert ours.saturated == 0
    assert ours.max == theirs.get_max_value()


def payload(counts, **changes):
    fields = {
        "cookie": 0x1C849313,
        "length": len(counts),
        "offset": 0,
        "digits": 3,
        "lowest": 1,
        "highest": HOUR_NS,
        "ratio": struct.unpack(">Q", struct.pack(">d", 1.0))[0],
    }
    return struct.pack(">IIIIqqQ", *(fields | changes).values()) + counts


def envelope(content, cookie=0x1C849314, length=None):
    body = zlib.compress(content)
    return base64.b64encode(
        struct.pack(">II", cookie, len(body) if length is None else length) + body
    ).decode()


def test_the_javascript_edition_is_read():
    assert decode(envelope(payload(b"\x00\x02", offset=1, ratio=1))) == of(1)


def test_the_older_word_size_nibble_is_ignored():
    assert decode(envelope(payload(b"\x02", cookie=0x1C849303), cookie=0x1C849304)) == of(0)


LEB_MINUS_ONE_MORE_THAN_THE_BUCKETS = b"\x81\x90\x04"  # -(33792 + 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 bytes, too few"),
        ("abc", "not base64"),
        ("äöü=", "not base64"),
        ("HISTF%%%", "not base64"),
        ("HJMT", "3 bytes, too few"),
        (envelope(payload(b""), cookie=0x1C849302), "format V1"),
        (envelope(payload(b""), cookie=0x1C849309), "format V0"),
        (envelope(payload(b""), cookie=0xDEADBEEF), "cookie 0xdeadbeef is not"),
        (envelope(payload(b""), length=5), "states 5 compressed bytes but has"),
        (envelope(b""), "ends after 0 of 40 header bytes"),
        (envelope(payload(b"")[:39]), "ends after 39 of 40"),
        (envelope(payload(b"", cookie=0x1C849301)), "cookie 0x1c849301"),
        (envelope(payload(b"", digits=9)), "digits is 9"),
        (envelope(payload(b"", lowest=-1)), "lowest is -1"),
        (envelope(payload(b"", highest=-1)), "highest is -1"),
        (envelope(payload(b"", offset=3)), "scaled or shifted"),
        (envelope(payload(b"", ratio=1)), "scaled or shifted"),
        (envelope(payload(b"\x02", length=2)), "states 2 bytes of counts but has only 1"),
        (envelope(payload(b"\x02" * 100, length=2)), "states 2 bytes of counts but has more"),
        (envelope(payload(b"", length=2**32 - 1)), "more than its 33792 buckets need"),
        (envelope(payload(b"\x80")), "end inside a number"),
        (envelope(payload(b"\x02" * 33793)), "beyond the last of the 33792 buckets"),
        (envelope(payload(LEB_MINUS_ONE_MORE_THAN_THE_BUCKETS)), "beyond the last"),
        (envelope(payload(b"\xff" * 9)), "beyond the last"),
        (envelope(payload(b"\xfe" + b"\xff" * 8)), r"more than 2\*\*62"),
    ],
)
def test_damaged_text(text, message):
    with pytest.raises(InvalidValueError, match=message):
        decode(text)


def test_a_stream_without_its_check_sum_and_one_with_a_tail():
    body = zlib.compress(payload(b"\x02"))
    for broken in (body[:-4], body[:-1], body + b"x"):
        text = base64.b64encode(struct.pack(">II", 0x1C849314, len(broken)) + broken)
        with pytest.raises(InvalidValueError, match="does not end where its counts end"):
            decode(text)
    flipped = body[:-1] + bytes([body[-1] ^ 1])
    with pytest.raises(InvalidValueError, match="damaged"):
        decode(base64.b64encode(struct.pack(">II", 0x1C849314, len(flipped)) + flipped))


def test_a_zip_bomb_is_not_unpacked():
    with pytest.raises(InvalidValueError, match="but has more"):
        decode(envelope(payload(b"\x02") + bytes(50_000_000)))


def test_only_text_is_decoded():
    with pytest.raises(InvalidTypeError, match="not int"):
        decode(5)


def test_damaged_counts_change_nothing():
    histogram = of(1, 2)
    with pytest.raises(InvalidValueError):
        histogram.decode_counts(b"\x02\x80")
    assert histogram == of(1, 2)
    with pytest.raises(InvalidTypeError, match="not as str"):
        histogram.decode_counts("x")
