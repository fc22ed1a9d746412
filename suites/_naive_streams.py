"""Streaming indicators as one writes them first: a plain class each, and a deque where there is a window."""

from collections import deque

from ._indicators import NAN

Three = tuple[float, float, float]


class Ema:
    """The average that starts at the first value."""

    def __init__(self, period: int) -> None:
        self.alpha = 2 / (period + 1)
        self.average: float | None = None

    def update(self, value: float) -> float:
        """Take the next value."""
        if self.average is None:
            self.average = value
        else:
            self.average += self.alpha * (value - self.average)
        return self.average


class Window:
    """The last values."""

    def __init__(self, period: int) -> None:
        self.period = period
        self.values: deque[float] = deque(maxlen=period)

    def full(self, value: float) -> bool:
        """Take the next value and tell whether there are as many as the period."""
        self.values.append(value)
        return len(self.values) == self.period

    def moments(self) -> tuple[float, float]:
        """Return the mean and the population's deviation."""
        mean = sum(self.values) / self.period
        return mean, (sum((value - mean) ** 2 for value in self.values) / self.period) ** 0.5


class Sma(Window):
    """The mean of the window."""

    def update(self, value: float) -> float:
        """Take the next value."""
        return sum(self.values) / self.period if self.full(value) else NAN


class RollingMin(Window):
    """The least of the window."""

    def update(self, value: float) -> float:
        """Take the next value."""
        return min(self.values) if self.full(value) else NAN


class RollingMax(Window):
    """The greatest of the window."""

    def update(self, value: float) -> float:
        """Take the next value."""
        return max(self.values) if self.full(value) else NAN


class RollingStd(Window):
    """The deviation of the window."""

    def update(self, value: float) -> float:
        """Take the next value."""
        return self.moments()[1] if self.full(value) else NAN


class Zscore(Window):
    """The distance of the newest value from the window's mean, in deviations."""

    def update(self, value: float) -> float:
        """Take the next value."""
        if not self.full(value):
            return NAN
        mean, deviation = self.moments()
        return (value - mean) / deviation if deviation else NAN


class Bollinger(Window):
    """Two deviations around the window's mean."""

    def update(self, value: float) -> Three:
        """Take the next value."""
        if not self.full(value):
            return NAN, NAN, NAN
        mean, deviation = self.moments()
        return mean + 2 * deviation, mean, mean - 2 * deviation


class Macd:
    """Line, signal and histogram."""

    def __init__(self, fast: int, slow: int, signal: int) -> None:
        self.fast, self.slow, self.signal = Ema(fast), Ema(slow), Ema(signal)

    def update(self, value: float) -> Three:
        """Take the next value."""
        line = self.fast.update(value) - self.slow.update(value)
        signal = self.signal.update(line)
        return line, signal, line - signal


class Wilder:
    """Wilder's average, which starts at the mean of the first values."""

    def __init__(self, period: int) -> None:
        self.period = period
        self.count = 0
        self.average = 0.0

    def update(self, value: float) -> float:
        """Take the next value."""
        if self.count < self.period:
            self.count += 1
            self.average += value / self.period
            return self.average if self.count == self.period else NAN
        self.average += (value - self.average) / self.period
        return self.average


class Rsi:
    """The relative strength index."""

    def __init__(self, period: int) -> None:
        self.up, self.down = Wilder(period), Wilder(period)
        self.before: float | None = None

    def update(self, value: float) -> float:
        """Take the next value."""
        before, self.before = self.before, value
        if before is None:
            return NAN
        up, down = self.up.update(max(value - before, 0.0)), self.down.update(max(before - value, 0.0))
        return 50.0 if up + down == 0 else 100 * up / (up + down)


class Atr:
    """The average true range."""

    def __init__(self, period: int) -> None:
        self.average = Wilder(period)
        self.before: float | None = None

    def update(self, high: float, low: float, close: float) -> float:
        """Take the next bar."""
        before, self.before = self.before, close
        if before is None:
            return NAN
        return self.average.update(max(high - low, abs(high - before), abs(low - before)))


class Vwap:
    """The volume-weighted average price from the beginning."""

    def __init__(self) -> None:
        self.turnover = self.volume = 0.0

    def update(self, price: float, volume: float) -> float:
        """Take the next trade."""
        self.turnover += price * volume
        self.volume += volume
        return self.turnover / self.volume if self.volume else NAN
