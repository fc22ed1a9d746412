"""Hold what is claimed of a practice beside what its variants were measured to differ by."""

from collections.abc import Iterable, Iterator, Sequence

from latencykit.model import Claim, ClaimCheck, Result, operation_name
from latencykit.suite import Component


def check_claims(components: Iterable[Component], results: Sequence[Result]) -> list[ClaimCheck]:
    """Return each claim with what was measured, for every combination of parameters that it is about.

    Args:
        components: What was measured, with its claims.
        results: All rows of the run; only the batched ones count.

    Returns:
        One check for each claim and combination of which a variant was measured at all.
    """
    return [
        check for component in components for claim in component.claims for check in _checks(component, claim, results)
    ]


def _checks(component: Component, claim: Claim, results: Sequence[Result]) -> Iterator[ClaimCheck]:
    rows = {row.name: row for row in results if row.mode == "batched" and row.component == component.name}
    for parameters in component.combinations():
        if any(parameters.get(key) != value for key, value in claim.parameters.items()):
            continue
        names = [operation_name(component.name, variant, parameters) for variant in (claim.worse, claim.better)]
        if rows.keys() & set(names):
            worse, better = (rows.get(name) for name in names)
            low, high = claim.range
            yield ClaimCheck(
                text=claim.text,
                worse=names[0],
                better=names[1],
                unit="ns" if claim.times is None else "times",
                low=low,
                high=high,
                measured=_measured(claim, worse, better),
            )


def _measured(claim: Claim, worse: Result | None, better: Result | None) -> float | None:
    if worse is None or better is None or worse.p50_ns is None or better.p50_ns is None:
        return None
    if claim.times is None:
        return worse.p50_ns - better.p50_ns
    if better.p50_ns <= better.resolution_ns:
        return None
    return worse.p50_ns / better.p50_ns
