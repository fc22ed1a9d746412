"""Whether an operation's time changed while it was measured."""

from collections.abc import Sequence

# So many stretches of equal length that are all in order come about by chance once in 20,160 measurements.
STRETCHES = 8
# A machine's clock speed moves by some per cent; what an operation does to its own input moves its time by more.
LEAST_CHANGE = 1.25


def drift_of(durations_ns: Sequence[float]) -> float | None:
    """Return by what factor the time changed from the first eighth of the samples to the last, if it drifted.

    Args:
        durations_ns: Durations of equal batches, in the order in which they were taken.

    Returns:
        The ratio of the last stretch's minimum to the first's, or None: the minima of the eight stretches are not all
        in order, the change is under a quarter, or there are fewer than two samples for each stretch. Minima, because
        what disturbs a machine only adds time.
    """
    size = len(durations_ns) // STRETCHES
    if size < 2:
        return None
    minima = [min(durations_ns[i * size : (i + 1) * size]) for i in range(STRETCHES)]
    if min(minima) <= 0 or minima not in (sorted(minima), sorted(minima, reverse=True)):
        return None
    ratio = minima[-1] / minima[0]
    return ratio if not 1 / LEAST_CHANGE < ratio < LEAST_CHANGE else None
