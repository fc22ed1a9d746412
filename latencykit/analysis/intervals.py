"""Distribution-free confidence intervals of quantiles, by order statistics."""

import math
from functools import lru_cache

from latencykit.quantiles import ONE_SIDED


@lru_cache(maxsize=256)
def quantile_ranks(quantile: float, count: int, one_sided: float = ONE_SIDED) -> tuple[int, int]:
    """Return the ranks of the order statistics that enclose a quantile, with at least 95 % confidence if not said else.

    The number of values below the quantile is binomial, whatever their distribution (David and Nagaraja,
    Order Statistics, 3rd ed., 7.1). Values are taken as independent, which neighbouring timings are not quite.

    Args:
        quantile: In 0..1, exclusive.
        count: Sample size, at least 1.
        one_sided: The chance that the interval misses on one given side, from 1e-10 to below 0.5.

    Returns:
        1-based ranks (low, high), clamped to 1..count: where the sample is too small, the interval is all of it.
    """
    mean, deviation = count * quantile, math.sqrt(count * quantile * (1 - quantile))
    reach = 8 * deviation + 16  # what lies beyond has a probability below 1e-12
    first, last = max(0, math.floor(mean - reach)), min(count, math.ceil(mean + reach))
    low = high = None
    cumulative = 0.0
    for below in range(first, last + 1):
        cumulative += math.exp(_log_binomial(below, count, quantile))
        if low is None and cumulative > one_sided:
            low = below
        if high is None and cumulative >= 1 - one_sided:
            high = below + 1
    return max(1, low or 1), min(count, high or count)


def _log_binomial(k: int, n: int, p: float) -> float:
    combinations = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return combinations + k * math.log(p) + (n - k) * math.log1p(-p)
