import base64
import zlib

import numpy as np
from hdrh.histogram import HdrHistogram
from hypothesis import example, given, settings
from hypothesis import strategies as st

from latencykit.errors import InvalidValueError
from latencykit.histogram import Histogram, decode, encode

HOUR_NS = 3_600_000_000_000

# Flat integers would nearly all be long: the exponent is drawn first.
durations = st.integers(0, 41).flatmap(lambda bits: st.integers(0, min(2**bits, HOUR_NS)))
# Small layouts, because the reference walks its counts in Python.
layouts = st.tuples(st.integers(1, 70), st.integers(140, 10**6), st.integers(1, 3))
percentiles = st.floats(0, 100) | st.sampled_from([0, 0.0, 50, 90, 99, 99.9, 99.99, 100])


def both(layout, records):
    ours, theirs = Histogram(*layout), HdrHistogram(*layout)
    for value, count in records:
        ours.record_n(value, count)
        theirs.record_value(value, count)
    return ours, theirs


def layouts_with_records(**how_many):
    return layouts.flatmap(
        lambda layout: st.tuples(
            st.just(layout),
            st.lists(st.tuples(st.integers(0, layout[1]), st.integers(1, 10**6)), **how_many),
        )
    )


@given(layouts_with_records(min_size=1, max_size=30), percentiles)
@example(((8, 1000, 1), [(0, 1)]), 0)
@example(((1, 1000, 1), [(33, 1), (1000, 1)]), 50)
def test_every_answer_is_that_of_the_reference(layout_and_records, q):
    ours, theirs = both(*layout_and_records)
    assert ours.buckets == theirs.counts_len
    assert ours.count == theirs.get_total_count()
    assert ours.percentile(q) == theirs.get_value_at_percentile(q)
    assert ours.mean == theirs.get_mean_value()
    assert ours.stddev == theirs.get_stddev()
    assert ours.min == theirs.get_min_value()
    assert ours.iter_recorded() == [
        (item.value_iterated_to, item.count_at_value_iterated_to) for item in theirs.get_recorded_iterator()
    ]
    # The reference reports 0 where only zeros were recorded, though its percentiles report the bucket's top.
    if theirs.max_value:
        assert ours.max == theirs.get_max_value()


@given(layouts_with_records(max_size=30))
def test_encoding_is_that_of_the_reference_both_ways(layout_and_records):
    ours, theirs = both(*layout_and_records)
    text = encode(ours)
    assert text == theirs.encode().decode()
    assert decode(theirs.encode()) == ours == decode(text)
    assert HdrHistogram.decode(text).get_total_count() == ours.count


@given(st.lists(durations, min_size=1, max_size=50), st.data())
def test_ranks_are_those_of_the_sorted_values_to_three_digits(values, data):
    histogram = Histogram()
    histogram.record_many(np.array(values, np.int64))
    rank = data.draw(st.integers(1, len(values)))
    exact = sorted(values)[rank - 1]
    assert exact <= histogram.value_at_rank(rank) <= exact * 1.001


@given(st.lists(durations), st.lists(durations))
def test_merging_is_recording_both(left, right):
    merged, other, together = Histogram(), Histogram(), Histogram()
    merged.record_many(np.array(left, np.uint64))
    other.record_many(np.array(right, np.float64))
    for value in left + right:
        together.record(value)
    merged.merge(other)
    assert merged == together


@given(st.integers(0, 200_000), st.integers(1, 5000), st.sampled_from([10**6, 50_000]))
def test_correction_is_the_loop_of_the_java_and_c_editions(value, interval, highest):
    corrected, looped = Histogram(1, highest, 2), Histogram(1, highest, 2)
    corrected.record_corrected(value, interval)
    looped.record(value)
    missing = value - interval
    while missing >= interval:
        looped.record(missing)
        missing -= interval
    assert corrected == looped
    assert corrected.saturated == looped.saturated


@given(st.lists(st.integers(0, 2**45), max_size=30), st.floats(1e-3, 1e3))
def test_ticks_are_scaled_then_rounded(ticks, ns_per_tick):
    scaled, rounded = Histogram(), Histogram()
    scaled.record_ticks(np.array(ticks, np.uint64), ns_per_tick)
    for tick in ticks:
        rounded.record(round(tick * ns_per_tick))
    assert scaled == rounded
    assert scaled.saturated == rounded.saturated


def decodes_or_says_why(text):
    try:
        histogram = decode(text)
    except InvalidValueError:
        pass  # anything else that is raised fails the test
    else:
        assert decode(encode(histogram)) == histogram


@given(st.text() | st.binary() | st.binary().map(base64.b64encode))
def test_any_text_is_decoded_or_refused(text):
    decodes_or_says_why(text)


@given(st.binary(max_size=200))
def test_any_counts_are_decoded_or_refused(counts):
    histogram = Histogram(1, 1000, 1)
    try:
        histogram.decode_counts(counts)
    except InvalidValueError:
        assert histogram == Histogram(1, 1000, 1)
    else:
        again = Histogram(1, 1000, 1)
        again.decode_counts(histogram.encode_counts())
        assert again == histogram


@settings(max_examples=300)
@given(st.lists(durations, max_size=20), st.data())
def test_a_damaged_payload_is_decoded_or_refused(values, data):
    histogram = Histogram()
    histogram.record_many(np.array(values, np.int64))
    payload = bytearray(zlib.decompress(base64.b64decode(encode(histogram))[8:]))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    body = zlib.compress(payload[: data.draw(st.integers(0, len(payload)))])
    envelope = b"\x1c\x84\x93\x14" + len(body).to_bytes(4, "big")
    decodes_or_says_why(base64.b64encode(envelope + body))
