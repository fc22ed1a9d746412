"""A synthetic market: seeded, intraday-like, with panics planted at known ticks."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from latencykit.engine.ticks import Ticks
from latencykit.errors import InvalidValueError

Floats = NDArray[np.float64]

_START_NS: Final = 1_704_205_800_000_000_000  # 2024-01-02T14:30:00Z, a New York opening
_TICKS_PER_SESSION: Final = 23_400  # one tick a second over six and a half hours
_START_PRICE: Final = 500.0
_TICK_VOLATILITY: Final = 1.3e-4  # 2 % a session of 23,400 ticks
_MEDIAN_VOLUME: Final = 400.0
_TICKS_PER_PANIC: Final = 5_000
_LEAST_TICKS: Final = 1_000
# GARCH(1,1) (Bollerslev 1986), in the range usual for intraday returns; stationary, as the sum is below 1.
_GARCH_ALPHA: Final = 0.06
_GARCH_BETA: Final = 0.92


class _Draws:
    """Draw from the raw bits of PCG64: numpy promises to keep their sequence, but not its distributions."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, count: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """Draw from the open interval (low, high)."""
        fractions = ((self._bits.random_raw(count) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
        return np.asarray(low + (high - low) * fractions)

    def normal(self, count: int) -> Floats:
        """Draw standard normals by Box and Muller (1958), which needs nothing but log, sqrt and cos."""
        radius = np.sqrt(-2.0 * np.log(self.uniform(count)))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(count)))


def synthetic_market(ticks: int = 20_000, seed: int = 1) -> Ticks:
    """Make a trading day of trades with panics planted in it.

    Returns follow a GARCH(1,1) process, so that volatility clusters; volumes are lognormal, larger with
    larger moves and towards the ends of the session; trades come one a second on average. One panic per
    5,000 ticks (at least one) falls 2.5 to 5 % within 20 to 50 ticks on four to nine times the usual volume,
    and recovers 40 to 65 % of the fall within 80 to 200 ticks. Prices are rounded to 0.01 and volumes to 1,
    so that the last bit of a platform's log and cos does not show: the same arguments give the same ticks
    everywhere.

    Args:
        ticks: How many, at least 1,000.
        seed: Of the random numbers, at least 0.

    Returns:
        Trades with `panics` naming the tick at which each fall begins.

    Raises:
        InvalidValueError: There are too few ticks to hold a panic, or the seed is negative.
    """
    if ticks < _LEAST_TICKS:
        raise InvalidValueError(f"{ticks} ticks cannot hold a panic and its past; ask for {_LEAST_TICKS} or more")
    if seed < 0:
        raise InvalidValueError(f"seed {seed} is negative; pass 0 or more")
    draws = _Draws(seed)
    noise = _clustered(draws.normal(ticks))
    drift, busyness, panics = _plant_panics(draws, ticks)
    volume = _volumes(draws, noise, busyness)
    price = _START_PRICE * np.cumprod((1.0 + noise) * (1.0 + drift))
    gaps_us = np.rint(-1e6 * np.log(draws.uniform(ticks))).astype(np.int64)
    timestamp_ns = _START_NS + np.cumsum(gaps_us) * 1_000
    return Ticks(
        timestamp_ns,
        np.round(price, 2),
        volume,
        "trades",
        f"synthetic, {ticks} ticks, seed {seed}",
        panics=panics,
    )


def _clustered(normals: Floats) -> Floats:
    """Return GARCH(1,1) returns from standard normals."""
    base = _TICK_VOLATILITY**2
    constant = base * (1.0 - _GARCH_ALPHA - _GARCH_BETA)
    variance = base
    returns = []
    for normal in normals.tolist():
        step = variance**0.5 * normal
        returns.append(step)
        variance = constant + _GARCH_ALPHA * step * step + _GARCH_BETA * variance
    return np.array(returns)


def _plant_panics(draws: _Draws, ticks: int) -> tuple[Floats, Floats, tuple[int, ...]]:
    """Return the extra return and the volume factor of each tick, and where the panics begin."""
    count = max(1, ticks // _TICKS_PER_PANIC)
    span = ticks // count
    drift, busyness = np.zeros(ticks), np.ones(ticks)
    panics = []
    for number in range(count):
        place, depth, length, rush, recovered, back = draws.uniform(6).tolist()
        start = number * span + int(span * (0.4 + 0.3 * place))
        bottom = start + 20 + int(31 * length)
        end = bottom + 80 + int(121 * back)
        fall = 0.025 + 0.025 * depth
        drift[start:bottom] = _per_tick(1.0 - fall, bottom - start)
        drift[bottom:end] = _per_tick(1.0 + (0.4 + 0.25 * recovered) * fall / (1.0 - fall), end - bottom)
        busyness[start:bottom] = 4.0 + 5.0 * rush
        busyness[bottom:end] = np.linspace(3.0 + 2.0 * rush, 1.0, end - bottom)
        panics.append(start)
    return drift, busyness, tuple(panics)


def _per_tick(total: float, ticks: int) -> float:
    """Return the return of one tick that compounds to the given factor."""
    return float(total ** (1.0 / ticks) - 1.0)


def _volumes(draws: _Draws, noise: Floats, busyness: Floats) -> Floats:
    """Return lognormal volumes, larger with larger moves and, as a U, towards the ends of the session."""
    phase = (np.arange(len(noise)) % _TICKS_PER_SESSION) / _TICKS_PER_SESSION
    session = 0.75 + 0.75 * (2.0 * phase - 1.0) ** 2
    size = 1.0 + 0.5 * np.abs(noise) / _TICK_VOLATILITY
    volume = _MEDIAN_VOLUME * np.exp(0.35 * draws.normal(len(noise))) * session * size * busyness
    return np.maximum(1.0, np.rint(volume))
