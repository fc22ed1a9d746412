"""Whether an operation's time changed while it was measured."""

import statistics
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
        The ratio of the last stretch's median to the first's, or None: the medians of the eight stretches are not all
        in order, the change is under a quarter, or there are fewer than two samples for each stretch.
    """
    size = len(durations_ns) // STRETCHES
    if size < 2:
        return None
    medians = [statistics.median(durations_ns[i * size : (i + 1) * size]) for i in range(STRETCHES)]
    if medians[0] <= 0 or (medians != sorted(medians) and medians != sorted(medians, reverse=True)):
        return None
    ratio = medians[-1] / medians[0]
    return ratio if not 1 / LEAST_CHANGE < ratio < LEAST_CHANGE else None
