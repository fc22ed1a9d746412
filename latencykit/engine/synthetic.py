"""A synthetic market: seeded, intraday-like, with panics and decoys planted at known ticks."""

import operator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from latencykit.engine.ticks import Ticks
from latencykit.errors import InvalidValueError

Floats = NDArray[np.float64]

_START_NS: Final = 1_704_205_800_000_000_000  # 2024-01-02T14:30:00Z, a New York opening
_SESSION_S: Final = 23_400  # six and a half hours
_START_PRICE: Final = 500.0
_SECOND_VOLATILITY: Final = 1.3e-4  # 2 % a session
_VOLUME_PER_SECOND: Final = 400.0  # the median
_SECONDS_PER_PANIC: Final = 5_000
_LEAST_TICKS: Final = 1_000
# GARCH(1,1) (Bollerslev 1986), in the range usual for intraday returns; stationary, as the sum is below 1.
_GARCH_ALPHA: Final = 0.06
_GARCH_BETA: Final = 0.92
_DECOYS: Final = ("slide", "print", "burst", "cluster")
# Where decoys may stand, as parts of the stretch between two panics; these begin at 0.4 to 0.7 of it.
_EARLY: Final = (0.02, 0.38)
_LATE: Final = (0.77, 1.0)
_MOST_RATE: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class _Pace:
    """How the market moves: in what steps, with what tails, at how many ticks a second."""

    volatility: float
    tail: int | None
    rate: float

    @property
    def tick_volatility(self) -> float:
        return _SECOND_VOLATILITY * self.volatility / float(self.rate**0.5)

    def ticks(self, seconds: float) -> int:
        """Return how many ticks come in so many seconds, at least 2."""
        return max(2, int(seconds * self.rate))


@dataclass(slots=True)
class _Events:
    """What planted events do to each tick: an extra return, a factor of the volume, and one of the noise."""

    drift: Floats
    busyness: Floats
    unrest: Floats

    def fall(self, start: int, end: int, factor: float) -> None:
        """Let the price reach `factor` times what it would be."""
        self.drift[start:end] = _per_tick(factor, end - start)


class _Draws:
    """Draw from the raw bits of PCG64: numpy promises to keep their sequence, but not its distributions."""

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(seed if len(seed) > 1 else seed[0])

    def uniform(self, count: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """Draw from the open interval (low, high)."""
        fractions = ((self._bits.random_raw(count) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
        return np.asarray(low + (high - low) * fractions)

    def normal(self, count: int) -> Floats:
        """Draw standard normals by Box and Muller (1958), which needs nothing but log, sqrt and cos."""
        radius = np.sqrt(-2.0 * np.log(self.uniform(count)))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(count)))

    def student(self, count: int, degrees: int) -> Floats:
        """Draw Student's t, scaled to the variance 1, by the same construction (Bailey 1994)."""
        radius = np.sqrt((degrees - 2.0) * (self.uniform(count) ** (-2.0 / degrees) - 1.0))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(count)))


def synthetic_market(
    ticks: int = 20_000,
    seed: int = 1,
    *,
    decoys: int = 0,
    volatility: float = 1.0,
    tail: int | None = None,
    ticks_per_second: float = 1.0,
) -> Ticks:
    """Make a trading day of trades with panics planted in it, and on request what only looks like one.

    Returns follow a GARCH(1,1) process, so that volatility clusters; volumes are lognormal, larger with
    larger moves and towards the ends of the session. One panic per 5,000 seconds (at least one) falls 2.5 to
    5 % within 20 to 50 seconds on four to nine times the usual volume, and recovers 40 to 65 % of the fall
    within 80 to 200 seconds. Decoys stand between the panics, in turn:

    - ``slide``: a panic's fall on a panic's volume, in 20 times its duration;
    - ``print``: one tick 2.5 to 5 % too low, on a panic's volume;
    - ``burst``: a panic's volume for a panic's duration, and no fall;
    - ``cluster``: three times the usual volatility and twice the volume for 200 to 400 seconds.

    Prices are rounded to 0.01 and volumes to 1, so that the last bit of a platform's log and cos does not
    show: the same arguments give the same ticks everywhere. Panics and noise do not depend on `decoys`.

    Args:
        ticks: How many, at least 1,000, and 1,000 seconds' worth.
        seed: Of the random numbers, at least 0.
        decoys: How many, at most two for each panic; they need 5,000 seconds' worth of ticks.
        volatility: Factor of the usual volatility, 2 % a session of six and a half hours; above 0, to 20.
        tail: Degrees of freedom of Student's t that the noise is drawn from, 3 or more; None draws normals.
        ticks_per_second: Trades a second on average, 0.05 to 1,000.

    Returns:
        Trades with `panics` naming the tick at which each fall begins, and `decoys` (kind, first tick, end).

    Raises:
        InvalidValueError: An argument is out of range, or there are too few ticks to hold the events.
    """
    pace = _Pace(volatility, tail, ticks_per_second)
    _check(ticks, seed, decoys, pace)
    draws = _Draws(seed)
    noise = _clustered(draws.normal(ticks) if tail is None else draws.student(ticks, tail), pace)
    events = _Events(np.zeros(ticks), np.ones(ticks), np.ones(ticks))
    panics = _plant_panics(draws, events, pace)
    planted = _plant_decoys(_Draws(seed, 1), events, pace, decoys)
    noise *= events.unrest
    volume = _volumes(draws, noise, events.busyness, pace)
    price = _START_PRICE * np.cumprod((1.0 + noise) * (1.0 + events.drift))
    gaps_us = np.rint(-1e6 / pace.rate * np.log(draws.uniform(ticks))).astype(np.int64)
    timestamp_ns = _START_NS + np.cumsum(gaps_us) * 1_000
    source = f"synthetic, {ticks} ticks, seed {seed}"
    return Ticks(
        timestamp_ns, np.maximum(0.01, np.round(price, 2)), volume, "trades", source, panics=panics, decoys=planted
    )


def _check(ticks: int, seed: int, decoys: int, pace: _Pace) -> None:
    if not 0.05 <= pace.rate <= _MOST_RATE:
        raise InvalidValueError(f"{pace.rate} ticks a second; pass 0.05 to {_MOST_RATE:,.0f}")
    least = max(_LEAST_TICKS, int(_LEAST_TICKS * pace.rate))
    if ticks < least:
        raise InvalidValueError(f"{ticks} ticks cannot hold a panic and its past; ask for {least} or more")
    if seed < 0:
        raise InvalidValueError(f"seed {seed} is negative; pass 0 or more")
    if not 0 < pace.volatility <= 20:
        raise InvalidValueError(f"volatility is {pace.volatility}; it is a factor above 0, at most 20")
    if pace.tail is not None and pace.tail < 3:
        raise InvalidValueError(f"tail is {pace.tail}; a variance needs 3 degrees of freedom or more")
    room = 2 * (ticks // pace.ticks(_SECONDS_PER_PANIC))
    if not 0 <= decoys <= room:
        raise InvalidValueError(f"{decoys} decoys; {ticks} ticks have room for 0 to {room}")


def _clustered(shocks: Floats, pace: _Pace) -> Floats:
    """Return GARCH(1,1) returns from shocks of variance 1."""
    base = pace.tick_volatility**2
    constant = base * (1.0 - _GARCH_ALPHA - _GARCH_BETA)
    variance = base
    returns = []
    for shock in shocks.tolist():
        step = variance**0.5 * shock
        returns.append(step)
        variance = constant + _GARCH_ALPHA * step * step + _GARCH_BETA * variance
    return np.array(returns)


def _spans(ticks: int, pace: _Pace) -> tuple[int, int]:
    """Return how many panics there are, and how many ticks there are to each."""
    count = max(1, ticks // pace.ticks(_SECONDS_PER_PANIC))
    return count, ticks // count


def _plant_panics(draws: _Draws, events: _Events, pace: _Pace) -> tuple[int, ...]:
    """Plant the panics and return where they begin."""
    count, span = _spans(len(events.drift), pace)
    panics = []
    for number in range(count):
        place, depth, length, rush, recovered, back = draws.uniform(6).tolist()
        start = number * span + int(span * (0.4 + 0.3 * place))
        bottom = start + pace.ticks(20 + int(31 * length))
        end = bottom + pace.ticks(80 + int(121 * back))
        fall = 0.025 + 0.025 * depth
        events.fall(start, bottom, 1.0 - fall)
        events.fall(bottom, end, 1.0 + (0.4 + 0.25 * recovered) * fall / (1.0 - fall))
        events.busyness[start:bottom] = 4.0 + 5.0 * rush
        events.busyness[bottom:end] = np.linspace(3.0 + 2.0 * rush, 1.0, end - bottom)
        panics.append(start)
    return tuple(panics)


def _plant_decoys(draws: _Draws, events: _Events, pace: _Pace, decoys: int) -> tuple[tuple[str, int, int], ...]:
    """Plant the decoys, first before each panic and then behind, and return their kind, first tick and end."""
    count, span = _spans(len(events.drift), pace)
    planted = []
    for number in range(decoys):
        kind = _DECOYS[number % len(_DECOYS)]
        low, high = _EARLY if number < count else _LATE
        place, length, depth, rush = draws.uniform(4).tolist()
        seconds = {"slide": 20 * (20 + 30 * length), "print": 0.0, "burst": 20 + 30 * length}
        extent = pace.ticks(seconds.get(kind, 200 + 200 * length))
        first = (number % count) * span + int(span * low)
        start = first + int(place * (int(span * (high - low)) - extent))
        _plant_decoy(events, kind, slice(start, start + extent), 0.025 + 0.025 * depth, 4.0 + 5.0 * rush)
        planted.append((kind, start, start + extent))
    return tuple(sorted(planted, key=operator.itemgetter(1)))


def _plant_decoy(events: _Events, kind: str, where: slice, depth: float, rush: float) -> None:
    events.busyness[where] = 2.0 if kind == "cluster" else rush
    if kind == "slide":
        events.fall(where.start, where.stop, 1.0 - depth)
    elif kind == "print":
        events.drift[where] = (-depth, depth / (1.0 - depth))
    elif kind == "cluster":
        events.unrest[where] = 3.0


def _per_tick(total: float, ticks: int) -> float:
    """Return the return of one tick that compounds to the given factor."""
    return float(total ** (1.0 / ticks) - 1.0)


def _volumes(draws: _Draws, noise: Floats, busyness: Floats, pace: _Pace) -> Floats:
    """Return lognormal volumes, larger with larger moves and, as a U, towards the ends of the session."""
    session_ticks = pace.ticks(_SESSION_S)
    phase = (np.arange(len(noise)) % session_ticks) / session_ticks
    session = 0.75 + 0.75 * (2.0 * phase - 1.0) ** 2
    size = 1.0 + 0.5 * np.abs(noise) / pace.tick_volatility
    median = _VOLUME_PER_SECOND / pace.rate
    volume = median * np.exp(0.35 * draws.normal(len(noise))) * session * size * busyness
    return np.maximum(1.0, np.rint(volume))
