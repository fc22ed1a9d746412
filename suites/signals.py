"""Component `signals`: one tick to a decision, by the same rule in three forms.

The rule is that of `latencykit.engine.PanicDetector` with its default settings. `naive` computes each
indicator anew over lists of the last ticks, as one would first write it; `incremental` carries them along in
plain Python, so that the table shows which part of the gain is the algorithm's and which the native code's.
Whole series in one call are the component `signals_scan`.
"""

import itertools
import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import latencykit as lk

from .targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from latencykit.engine import Signal
    from latencykit.suite import Operation

signals = lk.Component(
    "signals",
    baseline="naive",
    target=TARGETS["signals"],
    doc="one tick (price, volume) to a decision",
)

WINDOW, HORIZON = 100, 30
FALL_DEVIATIONS, LEAST_FALL, VOLUME_RATIO = 4.0, 0.008, 2.5
RSI_PERIOD, OVERSOLD, REFRACTORY, TURN = 14, 30.0, 100, 2
LONG_WEIGHT, SHORT_WEIGHT = 2 / (WINDOW + 1), 2 / (HORIZON / 2 + 1)
WARM_UP = 2 * WINDOW + HORIZON
LEAST_VARIANCE, LARGEST_SQUARE = 1e-10, 16.0

# An exponential average has no end; after ten spans what is left out weighs 2e-9.
MEMORY = 10 * WINDOW + HORIZON


def exponential_average(values: list[float], weight: float) -> float:
    average = values[0]
    for value in values[1:]:
        average = (1 - weight) * average + weight * value
    return average


def average_square(returns: list[float]) -> float:
    variance = LEAST_VARIANCE
    for change in returns:
        square = min(change**2, LARGEST_SQUARE * variance)
        variance = max((1 - LONG_WEIGHT) * variance + LONG_WEIGHT * square, LEAST_VARIANCE)
    return variance


def relative_strength(changes: list[float]) -> float:
    gain = exponential_average([0.0] + [max(change, 0.0) for change in changes], 1 / RSI_PERIOD)
    loss = exponential_average([0.0] + [max(-change, 0.0) for change in changes], 1 / RSI_PERIOD)
    return 100 * gain / (gain + loss) if gain + loss > 0 else 50.0


class Usual(NamedTuple):
    """What was usual `HORIZON` ticks ago."""

    reference: float
    variance: float
    volume: float


def abnormal_fall(usual: Usual) -> float:
    return FALL_DEVIATIONS * math.sqrt(HORIZON * usual.variance)


def is_panic(level: float, volume: float, strength: float, usual: Usual) -> bool:
    """Tell whether a tick is in panic, by the level and the indicators as they are after it."""
    fall = (usual.reference - level) / usual.reference
    if fall < LEAST_FALL or volume <= 0 or volume < VOLUME_RATIO * usual.volume:
        return False
    return fall >= abnormal_fall(usual) and strength <= OVERSOLD


class Panics:
    """Follow a panic from its first tick to its turn: what is no indicator, and the same for both detectors."""

    def __init__(self) -> None:
        self.usual = Usual(0.0, 0.0, 0.0)
        self.low = 0.0
        self.unbroken = self.open = self.ticks = 0
        self.quiet = WARM_UP

    def fires(self, level: float, usual: Usual, *, panic: bool) -> bool:
        """Take in whether a tick is in panic, and tell whether to enter."""
        self.ticks += 1
        opens = panic and self.open == 0 and self.quiet == 0
        if opens:
            self.usual = usual
        lower = opens or (self.open > 0 and level < self.low)
        if lower:
            self.low = level
        self.unbroken = 0 if lower else self.unbroken + 1
        stays = lower or (panic and self.open > 0)
        self.open = HORIZON if stays else max(self.open - 1, 0)
        fallen = self.usual.reference - level >= LEAST_FALL * self.usual.reference
        enters = self.open > 0 and self.unbroken >= TURN and fallen
        loud = enters or (panic and self.quiet > 0)
        self.quiet = max(self.quiet - 1, REFRACTORY if loud else 0)
        if enters:
            self.open = 0
        return enters

    def signal(self, price: float, volume: float, strength: float) -> "Signal":
        """Return the entry that the last tick gives."""
        from latencykit.engine import Signal

        reference = self.usual.reference
        deepest = (reference - self.low) / reference
        margins = (
            1 - abnormal_fall(self.usual) / deepest,
            1 - VOLUME_RATIO * self.usual.volume / volume,
            1 - strength / OVERSOLD,
        )
        beyond = sum(min(max(margin, 0.0), 1.0) for margin in margins) / 3
        profit = min(max(0.4 * (reference - price) / reference, 0.005), 0.02)
        return Signal(price, 0.5 + 0.5 * beyond, price * (1 + profit), price * (1 - 0.5 * profit), self.ticks - 1)


class NaiveDetector:
    """Keep the last ticks in lists and compute every indicator over them, each tick anew."""

    def __init__(self) -> None:
        self.prices: list[float] = []
        self.volumes: list[float] = []
        self.panics = Panics()

    def update(self, price: float, volume: float) -> "Signal | None":
        """Take in a tick and decide."""
        self.prices.append(price)
        self.volumes.append(volume)
        del self.prices[:-MEMORY], self.volumes[:-MEMORY]
        if len(self.prices) <= HORIZON:
            self.panics.fires(price, Usual(price, 0.0, 0.0), panic=False)
            return None
        level, usual = max(self.prices[-3:]), self.usual()
        busy, strength = exponential_average(self.volumes[-10 * HORIZON :], SHORT_WEIGHT), self.strength()
        if not self.panics.fires(level, usual, panic=is_panic(level, busy, strength, usual)):
            return None
        return self.panics.signal(price, busy, strength)

    def usual(self) -> Usual:
        """Return what was usual before the last `HORIZON` ticks."""
        then = len(self.prices) - HORIZON
        pairs = zip(self.prices[: then - 1], self.prices[1:then], strict=True)
        variance = average_square([(later - before) / before for before, later in pairs])
        reference = min(self.prices[max(then - 3, 0) : then])
        return Usual(reference, variance, exponential_average(self.volumes[:then], LONG_WEIGHT))

    def strength(self) -> float:
        """Return the relative strength index."""
        recent = self.prices[-20 * RSI_PERIOD - 1 :]
        return relative_strength([later - before for before, later in itertools.pairwise(recent)])


class IncrementalDetector:
    """Carry every average from tick to tick; what the native detector does, in plain Python."""

    def __init__(self) -> None:
        self.last = self.second_last = 0.0
        self.variance = LEAST_VARIANCE
        self.gain = self.loss = 0.0
        self.volume = self.usual_volume = 0.0
        self.then: deque[Usual] = deque(maxlen=HORIZON)
        self.panics = Panics()

    def update(self, price: float, volume: float) -> "Signal | None":
        """Take in a tick and decide."""
        if self.panics.ticks == 0:
            self.last = self.second_last = price
            self.volume = self.usual_volume = volume
        usual = self.then[0] if len(self.then) == HORIZON else None
        self.average(price, volume)
        self.then.append(Usual(min(price, self.last, self.second_last), self.variance, self.usual_volume))
        level = max(price, self.last, self.second_last)
        self.second_last, self.last = self.last, price
        strength = 100 * self.gain / (self.gain + self.loss) if self.gain + self.loss > 0 else 50.0
        panic = usual is not None and is_panic(level, self.volume, strength, usual)
        if not self.panics.fires(level, usual or Usual(price, 0.0, 0.0), panic=panic):
            return None
        return self.panics.signal(price, self.volume, strength)

    def average(self, price: float, volume: float) -> None:
        """Take a tick into the averages."""
        change = price - self.last
        square = min((change / self.last) ** 2, LARGEST_SQUARE * self.variance)
        self.variance += LONG_WEIGHT * (square - self.variance)
        self.variance = max(self.variance, LEAST_VARIANCE)
        self.usual_volume += LONG_WEIGHT * (volume - self.usual_volume)
        self.volume += SHORT_WEIGHT * (volume - self.volume)
        self.gain += ((change if change > 0 else 0.0) - self.gain) / RSI_PERIOD
        self.loss += ((-change if change < 0 else 0.0) - self.loss) / RSI_PERIOD


def replayed(update: "Callable[[float, float], Signal | None]") -> "Operation":
    """Feed as many ticks as the longest memory holds, untimed, and time those that follow."""
    market = lk.market()
    rows = list(zip(market.price.tolist(), market.volume.tolist(), strict=True))
    for price, volume in itertools.islice(itertools.cycle(rows), MEMORY):
        update(price, volume)
    start = MEMORY % len(rows)
    return lk.replay(update, rows[start:] + rows[:start])


@signals.variant
def naive() -> "Operation":
    return replayed(NaiveDetector().update)


@signals.variant(contrast=True)
def incremental() -> "Operation":
    return replayed(IncrementalDetector().update)


@signals.variant
def native() -> "Operation":
    from latencykit.engine import PanicDetector

    return replayed(PanicDetector().update)
