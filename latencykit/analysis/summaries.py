"""From gross samples to one row of figures, net of the floor. Pure: numbers in, numbers out."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from latencykit.analysis.drift import drift_of
from latencykit.analysis.intervals import quantile_ranks
from latencykit.histogram import Histogram, decode
from latencykit.model import QUANTILES, Result, Samples
from latencykit.quantiles import supported

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """A row without its place in a run.

    Attributes:
        result: The row.
        intervals: A 95 % interval for each quantile that it gives.
        drift: By what factor the time changed while it was measured, if it did; known of batches alone.
    """

    result: Result
    intervals: Mapping[str, Interval]
    drift: float | None = None


def summarise(samples: Samples, *, baseline: bool = False) -> Summary:
    """Summarise one operation in one mode.

    Args:
        samples: Gross samples with their floor.
        baseline: Whether ratios are taken against this operation.

    Returns:
        Figures net of the floor and never below 0. Batched samples are means of many calls, so that only their
        centre is given, with an interval where there are enough to bound it (6); a quantile of single calls is
        given where the sample can bound it from above.
    """
    summarise_mode = _summarise_batched if samples.batch_ns else _summarise_calls
    return summarise_mode(samples, baseline=baseline)


def with_speedups(results: Sequence[Result]) -> list[Result]:
    """Return the rows with their ratio to the baseline of the same component, parameters and mode.

    A ratio is left out where either side is below what its clock can resolve.
    """
    baselines = {_family(row): row for row in results if row.baseline}
    return [
        msgspec.structs.replace(row, speedup_vs_baseline=_ratio(baselines.get(_family(row)), row)) for row in results
    ]


def _summarise_batched(samples: Samples, *, baseline: bool) -> Summary:
    per_op = sorted(duration / samples.batch_size for duration in samples.batch_ns)

    def net(gross: float) -> float:
        return max(0.0, gross - samples.floor_ns)

    interval = None
    if supported(0.5, len(per_op)):
        low, high = quantile_ranks(0.5, len(per_op))
        interval = net(per_op[low - 1]), net(per_op[high - 1])
    result = _row(
        samples,
        baseline=baseline,
        min_ns=net(per_op[0]),
        p50_ns=net(statistics.median(per_op)),
        mean_ns=net(statistics.fmean(per_op)),
        p50_interval_ns=interval,
    )
    return Summary(result, {} if interval is None else {"p50": interval}, drift_of(samples.batch_ns))


def _summarise_calls(samples: Samples, *, baseline: bool) -> Summary:
    histogram = decode(samples.histogram)

    def net(gross: float) -> float:
        return max(0.0, gross - samples.floor_ns)

    given = {name: q for name, q in QUANTILES.items() if supported(q, histogram.count)}
    intervals = {name: _interval(histogram, q, samples.floor_ns) for name, q in given.items()}
    result = _row(
        samples,
        baseline=baseline,
        min_ns=net(histogram.min),
        mean_ns=net(histogram.mean),
        max_ns=net(histogram.max),
        p50_interval_ns=intervals.get("p50"),
        p50_ns=None,
    )
    quantiles = {f"{name}_ns": net(histogram.percentile(q * 100)) for name, q in given.items()}
    return Summary(msgspec.structs.replace(result, **quantiles), intervals)


def _interval(histogram: Histogram, quantile: float, floor_ns: float) -> Interval:
    low, high = quantile_ranks(quantile, histogram.count)
    return (
        max(0.0, histogram.value_at_rank(low) - floor_ns),
        max(0.0, histogram.value_at_rank(high) - floor_ns),
    )


def _row(
    samples: Samples,
    *,
    baseline: bool,
    min_ns: float,
    p50_ns: float | None,
    mean_ns: float,
    p50_interval_ns: Interval | None,
    max_ns: float | None = None,
) -> Result:
    return Result(
        component=samples.component,
        variant=samples.variant,
        baseline=baseline,
        parameters=samples.parameters,
        mode=samples.mode,
        count=samples.count,
        batch_size=samples.batch_size,
        input_rows=samples.input_rows,
        gc=samples.gc,
        floor_ns=samples.floor_ns,
        resolution_ns=samples.resolution_ns,
        min_ns=min_ns,
        p50_ns=p50_ns,
        max_ns=max_ns,
        mean_ns=mean_ns,
        p50_interval_ns=p50_interval_ns,
        histogram=samples.histogram,
        allocations_per_op=samples.allocations_per_op,
        allocations=samples.allocations,
    )


def _family(row: Result) -> tuple[str, str, str]:
    return row.component, repr(sorted(row.parameters.items())), row.mode


def _ratio(baseline: Result | None, row: Result) -> float | None:
    if baseline is None or baseline.p50_ns is None or row.p50_ns is None:
        return None
    if min(baseline.p50_ns - baseline.resolution_ns, row.p50_ns - row.resolution_ns) <= 0:
        return None
    return baseline.p50_ns / row.p50_ns
