"""The panic detector's rule written from its definition, over whole lists and with tick numbers instead of counters."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

DEFAULTS = {
    "window": 100,
    "horizon": 30,
    "fall_deviations": 4.0,
    "least_fall": 0.008,
    "volume_ratio": 2.5,
    "rsi_period": 14,
    "oversold": 30.0,
    "refractory": 100,
    "turn": 2,
}


class Entry(NamedTuple):
    """What a signal says."""

    index: int
    confidence: float
    take_profit: float
    stop: float


def averages(values: Sequence[float], weight: float, start: float) -> list[float]:
    result = []
    for value in values:
        start = (1 - weight) * start + weight * value
        result.append(start)
    return result


def variances(prices: Sequence[float], weight: float) -> list[float]:
    result, last = [1e-10], prices[0]
    for price in prices:
        square = min(((price - last) / last) ** 2, 16 * result[-1])
        result.append(max((1 - weight) * result[-1] + weight * square, 1e-10))
        last = price
    return result[1:]


def entries(  # noqa: C901 - the rule's clauses, one after the other
    prices: Sequence[float], volumes: Sequence[float], changed: Mapping[str, float]
) -> list[Entry]:
    """Return the entries that the rule gives for a series."""
    s = {**DEFAULTS, **changed}
    h, span = int(s["horizon"]), 2 / (s["window"] + 1)
    changes = [0.0] + [later - before for before, later in itertools.pairwise(prices)]
    gains = averages([max(change, 0.0) for change in changes], 1 / s["rsi_period"], 0.0)
    losses = averages([max(-change, 0.0) for change in changes], 1 / s["rsi_period"], 0.0)
    usual, variance = averages(volumes, span, volumes[0]), variances(prices, span)
    busy = averages(volumes, 2 / (h / 2 + 1), volumes[0])
    levels = [max(prices[max(n - 2, 0) : n + 1]) for n in range(len(prices))]

    def panics(n: int) -> bool:
        reference = min(prices[max(n - h - 2, 0) : n - h + 1])
        fall = (reference - levels[n]) / reference
        return (
            fall >= s["least_fall"]
            and fall * fall >= s["fall_deviations"] * s["fall_deviations"] * h * variance[n - h]
            and busy[n] >= s["volume_ratio"] * usual[n - h]
            and (busy[n] > 0 or s["volume_ratio"] == 0)
            and gains[n] * (100 - s["oversold"]) <= losses[n] * s["oversold"]
        )

    def entry(n: int, opened: int, low: float) -> Entry:
        reference = min(prices[max(opened - h - 2, 0) : opened - h + 1])
        least = (s["fall_deviations"] ** 2 * h * variance[opened - h]) ** 0.5
        strength = 100 * gains[n] / (gains[n] + losses[n]) if gains[n] + losses[n] > 0 else 50.0
        margins = [1 - least / ((reference - low) / reference), 0.0, 1 - strength / s["oversold"]]
        if s["volume_ratio"] > 0:
            margins[1] = 1 - s["volume_ratio"] * usual[opened - h] / busy[n]
        confidence = 0.5 + sum(min(max(margin, 0.0), 1.0) for margin in margins) / 6
        profit = min(max(0.4 * (reference - prices[n]) / reference, 0.005), 0.02)
        return Entry(n, confidence, prices[n] * (1 + profit), prices[n] * (1 - profit / 2))

    found = []
    opened, alive_at, low, low_at = -1, -h - 1, 0.0, 0
    free_at = int(2 * s["window"]) + h
    for n in range(h, len(prices)):
        panic = panics(n)
        is_open = opened >= 0 and n - 1 - alive_at < h
        if n < free_at:
            if panic:
                free_at = max(free_at, n + 1 + int(s["refractory"]))
        elif panic and not is_open:
            opened, low, low_at, alive_at, is_open = n, levels[n], n, n, True
        if not is_open:
            continue
        if levels[n] < low:
            low, low_at, alive_at = levels[n], n, n
        if panic:
            alive_at = n
        reference = min(prices[max(opened - h - 2, 0) : opened - h + 1])
        fallen = reference - levels[n] >= s["least_fall"] * reference
        if n - alive_at < h and n - low_at >= s["turn"] and fallen:
            found.append(entry(n, opened, low))
            opened, free_at = -1, n + 1 + int(s["refractory"])
    return found
