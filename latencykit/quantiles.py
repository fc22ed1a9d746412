"""How large a sample must be before it says anything about a quantile."""

import math

# The chance that an interval misses the truth on one given side; two-sided 95 % intervals.
ONE_SIDED = 0.025
# Closer to the end of the scale no sample reaches, and doubles end.
_LEAST_TAIL = 1e-30


def supported(quantile: float, count: int) -> bool:
    """Tell whether a sample can bound a quantile, on the side of its tail, with 97.5 % confidence.

    Args:
        quantile: In 0..1, exclusive.
        count: Sample size.

    Returns:
        True if all `count` values lie below the true quantile with a probability of at most 2.5 %
        (``quantile ** count <= 0.025``): 368 values for p99, 3,688 for p99.9. Of a quantile below the median it
        is the chance that all lie above, so that p1 needs as many values as p99.
    """
    return count > 0 and count * _log_of_one_inside(quantile) <= math.log(ONE_SIDED)


def values_needed(quantile: float) -> int:
    """Return the least sample size that supports a quantile in 0..1, exclusive."""
    count = math.ceil(math.log(ONE_SIDED) / _log_of_one_inside(quantile))
    # The division rounds and the rule above multiplies: it decides among the neighbours.
    return next((near for near in range(count - 1, count + 2) if supported(quantile, near)), count)


def highest_percentile(count: int) -> float | None:
    """Return the highest percentile that a sample supports, cut to two digits of its distance from 100.

    Args:
        count: Sample size.

    Returns:
        In 50..100, exclusive: 96.3 for 100 values, 99.963 for 10,000. As far below 50 as it is above, down to
        ``100 - this``, percentiles are supported too. None for fewer than 6 values, which support none.
    """
    if not supported(0.5, count):
        return None
    distance = -100 * math.expm1(math.log(ONE_SIDED) / count)
    decimals = max(0, 1 - math.floor(math.log10(distance)))
    percentile = 100 - math.ceil(distance * 10.0**decimals) / 10.0**decimals
    return max(50.0, round(percentile, decimals))


def _log_of_one_inside(quantile: float) -> float:
    """Return the logarithm of the chance that a value does not lie in the quantile's tail."""
    return math.log1p(-max(min(quantile, 1 - quantile), _LEAST_TAIL))
