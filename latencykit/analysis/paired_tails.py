"""The figures of each operation of a pair, and the ratio of their tails by bootstrap over blocks. Pure."""

import math
import statistics
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from latencykit.analysis.paired import pairs_of
from latencykit.comparison import Block, Figures, Interval, PairSamples, Shape, Tail
from latencykit.histogram import Histogram, decode, encode
from latencykit.model import QUANTILES
from latencykit.quantiles import supported

TAIL = "p99"
TAIL_LEVEL = 0.95
_RESAMPLES = 1_000
# A bootstrap over fewer blocks knows too little of how they differ (Davison and Hinkley, Bootstrap Methods, 2.6).
_LEAST_BLOCKS = 10


def figures_of(samples: PairSamples) -> tuple[Figures, Figures]:
    """Return the figures of both operations, net of their floors."""
    pairs = pairs_of(samples)
    a = [(pair.a_ns, pair.a_floor_ns) for pair in pairs]
    b = [(pair.b_ns, pair.b_floor_ns) for pair in pairs]
    blocks = samples.blocks
    return _figures(samples.a, a, [x.a_calls for x in blocks]), _figures(samples.b, b, [x.b_calls for x in blocks])


def _figures(shape: Shape, timed: Sequence[tuple[list[float], float]], histograms: Sequence[str]) -> Figures:
    calls = Histogram()
    for encoded in histograms:
        calls.merge(decode(encoded))
    floor_ns = statistics.median(floor for _, floor in timed)
    centre_ns = statistics.median(timing for timings, _ in timed for timing in timings) - floor_ns
    tails = {
        f"{name}_ns": net_quantile(calls, quantile, shape.call_floor_ns)
        for name, quantile in QUANTILES.items()
        if name != "p50"
    }
    return Figures(
        name=shape.name,
        count=calls.count,
        batch_size=shape.batch_size,
        floor_ns=floor_ns,
        call_floor_ns=shape.call_floor_ns,
        resolution_ns=shape.resolution_ns,
        p50_ns=max(0.0, centre_ns),
        samples_ns=[max(0.0, min(timings) - floor) for timings, floor in timed],
        histogram=encode(calls),
        **tails,
    )


def net_quantile(calls: Histogram, quantile: float, floor_ns: float) -> float | None:
    """Return a quantile of single calls net of their floor, None where the sample cannot bound it."""
    if not supported(quantile, calls.count):
        return None
    return max(0.0, calls.percentile(100 * quantile) - floor_ns)


def tail_ratio(samples: PairSamples) -> Tail | None:
    """Return the ratio of the p99s of single calls, b over a.

    The interval is the percentile bootstrap over blocks: calls of one block share its weather, so whole blocks are
    drawn again, the same for both operations (Efron and Tibshirani, An Introduction to the Bootstrap, 13.3 and 8.5).
    The draws are seeded, so that one file always gives one interval.

    Returns:
        None where a sample does not support its p99, or where that is not more than a step of the clock.
    """
    a, b = (_counts(samples.blocks, side) for side in ("a_calls", "b_calls"))
    if min(int(a[1].sum()), int(b[1].sum())) == 0:
        return None
    ratio = _ratio(samples, a, b, np.ones((1, len(samples.blocks)), np.int64))[0]
    if not all(supported(QUANTILES[TAIL], int(counts.sum())) for _, counts in (a, b)) or not math.isfinite(ratio):
        return None
    return Tail(statistic=TAIL, ratio=float(ratio), interval=_interval(samples, a, b), level=TAIL_LEVEL)


_Counts = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _interval(samples: PairSamples, a: _Counts, b: _Counts) -> Interval | None:
    blocks = len(samples.blocks)
    if blocks < _LEAST_BLOCKS:
        return None
    random = np.random.default_rng(blocks)
    drawn = random.multinomial(blocks, [1 / blocks] * blocks, size=_RESAMPLES)
    ratios = _ratio(samples, a, b, drawn)
    if not np.isfinite(ratios).all():
        return None
    low, high = np.quantile(ratios, [(1 - TAIL_LEVEL) / 2, (1 + TAIL_LEVEL) / 2])
    return float(low), float(high)


def _ratio(samples: PairSamples, a: _Counts, b: _Counts, drawn: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the ratio for each row of weights of the blocks; NaN where a tail is below the clock's step."""
    tails = []
    for shape, (values, counts) in ((samples.a, a), (samples.b, b)):
        cumulative = np.cumsum(drawn @ counts, axis=1)
        rank = np.ceil(QUANTILES[TAIL] * cumulative[:, -1:])
        net = values[np.argmax(cumulative >= rank, axis=1)] - shape.call_floor_ns
        tails.append(np.where(net >= max(shape.resolution_ns, 1e-6), net, np.nan))
    return tails[1] / tails[0]


def _counts(blocks: Sequence[Block], side: str) -> _Counts:
    """Return the recorded values in order, and how often each block has each."""
    recorded = [dict(decode(getattr(block, side)).iter_recorded()) for block in blocks]
    values = sorted({value for of_block in recorded for value in of_block})
    counts = [[of_block.get(value, 0) for value in values] for of_block in recorded]
    return np.array(values, np.int64), np.array(counts, np.int64).reshape(len(blocks), len(values))
