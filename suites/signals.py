"""Component `signals`: one tick to a decision, by the same rule in three forms.

The rule is that of `latencykit.engine.PanicDetector` with its default settings. `naive` computes each
indicator anew over lists of the last ticks, as one would first write it; `incremental` carries them along in
plain Python, so that the table shows which part of the gain is the algorithm's and which the native code's.
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
FALL_DEVIATIONS, LEAST_FALL, VOLUME_RATIO = 4.0, 0.005, 2.5
RSI_PERIOD, OVERSOLD, REFRACTORY = 14, 30.0, 100
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


class Beyond(NamedTuple):
    """What a tick in panic was found to be."""

    fall: float
    least_abnormal: float
    volume_share: float
    strength: float


def make_signal(price: float, index: int, beyond: Beyond) -> "Signal":
    from latencykit.engine import Signal

    fall, abnormal_fall, volume_share, strength = beyond
    margins = (1 - abnormal_fall / fall, 1 - volume_share, 1 - strength / OVERSOLD)
    confidence = 0.5 + 0.5 * min(max(sum(margins) / 3, 0.0), 1.0)
    profit = min(max(0.4 * fall, 0.005), 0.02)
    return Signal(price, confidence, price * (1 + profit), price * (1 - 0.5 * profit), index)


class NaiveDetector:
    """Keep the last ticks in lists and compute every indicator over them, each tick anew."""

    def __init__(self) -> None:
        self.prices: list[float] = []
        self.volumes: list[float] = []
        self.quiet = WARM_UP
        self.ticks = 0

    def update(self, price: float, volume: float) -> "Signal | None":
        """Take in a tick and decide."""
        self.prices.append(price)
        self.volumes.append(volume)
        del self.prices[:-MEMORY], self.volumes[:-MEMORY]
        self.ticks += 1
        beyond = self.beyond() if len(self.prices) > HORIZON else None
        fires = beyond is not None and self.quiet == 0
        self.quiet = max(self.quiet - 1, 0 if beyond is None else REFRACTORY)
        return make_signal(price, self.ticks - 1, beyond) if beyond is not None and fires else None

    def beyond(self) -> Beyond | None:
        """Return what this tick is if it is in panic."""
        then = len(self.prices) - HORIZON
        level = max(self.prices[-3:])
        reference = min(self.prices[max(then - 3, 0) : then])
        fall = (reference - level) / reference
        changes = [later - before for before, later in zip(self.prices, self.prices[1:], strict=False)]
        returns = [change / before for change, before in zip(changes, self.prices, strict=False)]
        abnormal_fall = FALL_DEVIATIONS * math.sqrt(HORIZON * average_square(returns[: then - 1]))
        usual_volume = exponential_average(self.volumes[:then], LONG_WEIGHT)
        volume = exponential_average(self.volumes[-10 * HORIZON :], SHORT_WEIGHT)
        strength = relative_strength(changes[-20 * RSI_PERIOD :])
        falls = fall >= LEAST_FALL and fall >= abnormal_fall
        if falls and volume > 0 and volume >= VOLUME_RATIO * usual_volume and strength <= OVERSOLD:
            return Beyond(fall, abnormal_fall, VOLUME_RATIO * usual_volume / volume, strength)
        return None


class IncrementalDetector:
    """Carry every average from tick to tick; what the native detector does, in plain Python."""

    def __init__(self) -> None:
        self.last = self.second_last = 0.0
        self.variance = LEAST_VARIANCE
        self.gain = self.loss = 0.0
        self.volume = self.usual_volume = 0.0
        self.then: deque[tuple[float, float, float]] = deque(maxlen=HORIZON)
        self.quiet = WARM_UP
        self.ticks = 0

    def update(self, price: float, volume: float) -> "Signal | None":
        """Take in a tick and decide."""
        if self.ticks == 0:
            self.last = self.second_last = price
            self.volume = self.usual_volume = volume
        before = self.then[0] if self.ticks >= HORIZON else None
        self.average(price, volume)
        self.then.append((min(price, self.last, self.second_last), self.variance, self.usual_volume))
        level = max(price, self.last, self.second_last)
        self.second_last, self.last = self.last, price
        self.ticks += 1
        beyond = None if before is None else self.beyond(level, *before)
        fires = beyond is not None and self.quiet == 0
        self.quiet = max(self.quiet - 1, 0 if beyond is None else REFRACTORY)
        return make_signal(price, self.ticks - 1, beyond) if beyond is not None and fires else None

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

    def beyond(self, level: float, reference: float, variance: float, usual_volume: float) -> Beyond | None:
        """Return what this tick is, against `horizon` ticks ago, if it is in panic."""
        fall = (reference - level) / reference
        if fall < LEAST_FALL or self.volume <= 0 or self.volume < VOLUME_RATIO * usual_volume:
            return None
        abnormal_fall = FALL_DEVIATIONS * math.sqrt(HORIZON * variance)
        strength = 100 * self.gain / (self.gain + self.loss)
        if fall < abnormal_fall or strength > OVERSOLD:
            return None
        return Beyond(fall, abnormal_fall, VOLUME_RATIO * usual_volume / self.volume, strength)


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
