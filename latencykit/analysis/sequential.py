"""Hold two runs on file against each other: each was measured at its own time, so less can be said. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from latencykit.analysis.intervals import quantile_ranks
from latencykit.analysis.paired import FAMILY_ERROR, UNFIT, level_of, verdict_of
from latencykit.comparison import Comparison, ComparisonVerdict, Figures, Interval, Tail
from latencykit.histogram import decode
from latencykit.model import QUANTILES, Result, Run
from latencykit.quantiles import ONE_SIDED

# Between two runs of one program on one machine a whole run has been seen to shift by this factor, by the host's clock
# rate, the other tenants of a core, or where memory came to lie. No interval of one run contains that.
SHIFT = 1.5
_TAIL = "p99"
_SEQUENTIAL = (
    "measured one after the other, where up to a factor of {shift:g} may be the machine's; "
    "compare the two live, in turns"
)
_Rows = dict[str, Result]


def compare_runs(base: Run, head: Run) -> list[Comparison]:
    """Compare the operations that two runs have in common, in the order of the second.

    Args:
        base: The run whose times are the ratio's base.
        head: The run that is held against it.

    Returns:
        One comparison for each operation and mode that both runs have: p50 of batches with p99 of single calls beside
        it, and p50 and p99 of every other mode. Intervals hold together with 99 %, and contain what the machine may
        have changed meanwhile.
    """
    matched = list(_matched(base, head))
    unfit = "unfit" in (base.validity.verdict, head.validity.verdict)
    return [_comparison(before, after, len(matched), unfit=unfit) for before, after in matched]


def only_in(run: Run, other: Run) -> list[str]:
    """Return the names of the operations that one run has and the other has not."""
    there = {result.name for result in other.results}
    return list(dict.fromkeys(result.name for result in run.results if result.name not in there))


def _matched(base: Run, head: Run) -> Iterator[tuple[_Rows, _Rows]]:
    """Yield the rows of each operation and mode from both runs, by mode; those of batches come with single calls."""
    before, after = _by_operation(base.results), _by_operation(head.results)
    for key, rows in after.items():
        others = before.get(key, {})
        common = [mode for mode in rows if mode in others]
        if common:
            yield {mode: others[mode] for mode in common}, {mode: rows[mode] for mode in common}


def _by_operation(results: Iterable[Result]) -> dict[tuple[str, str], _Rows]:
    found: dict[tuple[str, str], _Rows] = {}
    for result in results:
        mode = "" if result.mode in ("batched", "per_call") else result.mode
        found.setdefault((result.name, mode), {})[result.mode] = result
    return found


def _comparison(before: _Rows, after: _Rows, comparisons: int, *, unfit: bool) -> Comparison:
    centre = "batched" if "batched" in after else next(iter(after))
    tail = "per_call" if "per_call" in after else centre
    a, b = before[centre], after[centre]
    # Two intervals, each with two sides, share the chance that this comparison is wrong.
    one_sided = FAMILY_ERROR / (4 * comparisons)
    ratio, interval = _ratio(a, b, "p50", one_sided)
    verdict, reason = _verdict(ratio, interval, unfit=unfit)
    return Comparison(
        component=b.component,
        parameters=b.parameters,
        a=a.variant,
        b=b.variant,
        mode=b.mode,
        ratio=ratio,
        interval=interval,
        level=level_of(comparisons),
        verdict=verdict,
        reason=reason,
        remarks=list(_remarks(a, b)),
        tail=_tail(before[tail], after[tail]) if tail != "batched" else None,
        a_figures=_figures(a, before[tail]),
        b_figures=_figures(b, after[tail]),
    )


def _verdict(ratio: float | None, interval: Interval | None, *, unfit: bool) -> tuple[ComparisonVerdict, str]:
    if unfit:
        return "inconclusive", UNFIT
    if ratio is None:
        return "inconclusive", "one of the two cannot be told from an empty call"
    if interval is None:
        return "inconclusive", "too few samples are on file for an interval"
    verdict = verdict_of(interval)
    return verdict, _SEQUENTIAL.format(shift=SHIFT) if verdict == "inconclusive" else ""


def _remarks(a: Result, b: Result) -> Iterator[str]:
    if a.gc != b.gc:
        yield f"the cyclic garbage collector was {a.gc} in the base and {b.gc} in the head"
    if a.input_rows != b.input_rows:
        yield f"the base was called with {a.input_rows:,} rows of input in turn, the head with {b.input_rows:,}"


def _ratio(a: Result, b: Result, statistic: str, one_sided: float) -> tuple[float | None, Interval | None]:
    """Return the ratio of a statistic, and its interval; None where one of the two is not above a step of its clock."""
    below, above = getattr(a, f"{statistic}_ns"), getattr(b, f"{statistic}_ns")
    if below is None or above is None or below <= a.resolution_ns or above <= b.resolution_ns:
        return None, None
    bounds = [_bounds(result, QUANTILES[statistic], one_sided) for result in (a, b)]
    if bounds[0] is None or bounds[1] is None or bounds[0][0] <= 0:
        return above / below, None
    (a_low, a_high), (b_low, b_high) = bounds[0], bounds[1]
    return above / below, (max(0.0, b_low) / a_high / SHIFT, b_high / a_low * SHIFT)


def _bounds(result: Result, quantile: float, one_sided: float) -> Interval | None:
    """Return the interval of a quantile from the histogram on file, net and per call."""
    histogram = decode(result.histogram)
    count = histogram.count
    if count == 0 or max(quantile, 1 - quantile) ** count > one_sided:
        return None
    low, high = quantile_ranks(quantile, count, one_sided)
    size = result.batch_size if result.mode == "batched" else 1
    return (
        histogram.value_at_rank(low) / size - result.floor_ns,
        histogram.value_at_rank(high) / size - result.floor_ns,
    )


def _tail(a: Result, b: Result) -> Tail | None:
    ratio, interval = _ratio(a, b, _TAIL, ONE_SIDED / 2)
    return None if ratio is None else Tail(statistic=_TAIL, ratio=ratio, interval=interval, level=1 - 2 * ONE_SIDED)


def _figures(centre: Result, tail: Result) -> Figures:
    single = tail.mode != "batched"
    return Figures(
        name=centre.name,
        count=tail.count,
        batch_size=centre.batch_size,
        floor_ns=centre.floor_ns,
        call_floor_ns=tail.floor_ns if single else None,
        resolution_ns=tail.resolution_ns,
        p50_ns=centre.p50_ns,
        p90_ns=tail.p90_ns,
        p99_ns=tail.p99_ns,
        p999_ns=tail.p999_ns,
        histogram=tail.histogram if single else "",
    )


def unlike(base: Run, head: Run) -> Sequence[str]:
    """Return how the machines of two runs differ, in words; nothing if their figures may be compared."""
    a, b = base.environment, head.environment
    if a.fingerprint == b.fingerprint:
        return []
    facts = {
        "CPU": (a.cpu.model, b.cpu.model),
        "cores": (a.cpu.logical_cores, b.cpu.logical_cores),
        "governor": (a.cpu.governor, b.cpu.governor),
        "kernel": (a.os.kernel, b.os.kernel),
        "hypervisor": (a.os.hypervisor, b.os.hypervisor),
        "Python": (a.python.version, b.python.version),
        "compiler": (a.python.compiler, b.python.compiler),
    }
    told = [f"{name} {x} and {y}" for name, (x, y) in facts.items() if x != y]
    return told or [f"fingerprint {a.fingerprint} and {b.fingerprint}"]
