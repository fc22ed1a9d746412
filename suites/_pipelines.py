"""The engine's cycle as one writes it in plain Python, with the same journal, line by line.

`NaivePipeline` keeps lists and computes each average anew over them; `IncrementalPipeline` carries the averages along.
All else is the same: dataclass orders, a queue.Queue of signals, a log file written through `logging`. Both follow the
rules of `latencykit.engine.Engine` with one symbol, ticks without quotes and the default limits.
"""

import logging
import math
import queue
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .signals import IncrementalDetector, NaiveDetector, exponential_average, relative_strength

if TYPE_CHECKING:
    from latencykit.engine import Signal

FAST, SLOW, RSI = 12, 26, 14
QUANTITY = 100
MAX_ORDER, MAX_POSITION, COLLAR, ORDERS_PER_SECOND = 1_000, 1_000, 0.1, 100
SECOND_NS = 1_000_000_000

# An exponential average has no end. What is left out of so many spans weighs less than 2e-15, so that six places agree.
SPANS, WILDER_SPANS = 17, 34
KEPT = max(SPANS * SLOW, WILDER_SPANS * RSI + 1)

Averages = tuple[float, float, float, float]
"""Fast, slow, volume-weighted price, relative strength index."""


@dataclass
class PlainOrder:
    """An order as one writes it first; what a signal aims at is None in an exit."""

    number: int
    side: str
    quantity: int
    price: float
    signal: "Signal | None" = None


@dataclass
class Position:
    """What is held, and when to sell it."""

    units: int = 0
    entry: float = 0.0
    take_profit: float = math.inf
    stop: float = 0.0
    profit: float = 0.0

    def wants_exit(self, price: float) -> bool:
        """Tell whether the take-profit or the stop is reached."""
        return self.units > 0 and (price >= self.take_profit or price <= self.stop)

    def fill(self, order: PlainOrder) -> None:
        """Take the order for filled at its price."""
        if order.signal is None:
            self.profit += order.quantity * (order.price - self.entry)
            self.units -= order.quantity
            return
        cost = self.entry * self.units + order.price * order.quantity
        self.units += order.quantity
        self.entry = cost / self.units
        self.take_profit, self.stop = order.signal.take_profit, order.signal.stop


class PlainRiskGate:
    """Limits of size, position, price and rate."""

    def __init__(self) -> None:
        self.times: deque[int] = deque(maxlen=ORDERS_PER_SECOND)

    def refusal(self, order: PlainOrder, slow: float, units: int, timestamp_ns: int) -> str | None:
        """Return why the order must not be made, or None and count it."""
        if order.quantity > MAX_ORDER:
            return "size"
        if order.side == "buy" and order.quantity > MAX_POSITION - units:
            return "position"
        if abs(order.price - slow) > COLLAR * slow:
            return "collar"
        if len(self.times) == ORDERS_PER_SECOND and timestamp_ns < self.times[0] + SECOND_NS:
            return "rate"
        self.times.append(timestamp_ns)
        return None


class Pipeline:
    """Take ticks through all stages; the averages and the detector are the subclass's.

    Args:
        journal: The file that gets a line for each tick and decision.
    """

    detector: NaiveDetector | IncrementalDetector

    def __init__(self, journal: Path) -> None:
        self.rows = 0
        self.last_ns: int | None = None
        self.signals: queue.Queue[Signal] = queue.Queue()
        self.risk = PlainRiskGate()
        self.position = Position()
        self.orders: list[PlainOrder] = []
        self.handler = logging.FileHandler(journal)
        self.handler.setFormatter(logging.Formatter("%(message)s"))
        self.logger = logging.Logger("pipeline", logging.INFO)
        self.logger.addHandler(self.handler)

    def averages(self, price: float, volume: float) -> Averages:
        """Take a tick into the averages and return them."""
        raise NotImplementedError

    def on_tick(self, timestamp_ns: int, price: float, volume: float) -> PlainOrder | None:
        """Take one tick through all stages; return the order that it led to."""
        row, self.rows = self.rows, self.rows + 1
        fault = self.fault(timestamp_ns, price, volume)
        if fault is not None:
            self.logger.info("S,%d,%d,0,%s,%s,,,%s", row, timestamp_ns, field(price), field(volume), fault)
            return None
        self.last_ns = timestamp_ns
        fast, slow, vwap, strength = self.averages(price, volume)
        signal = self.detector.update(price, volume)
        if signal is not None:
            self.signals.put(signal)
        proposed = self.proposal(price)
        self.logger.info(
            "T,%d,%d,0,%r,%r,,,%.6f,%.6f,%.6f,%.6f", row, timestamp_ns, price, volume, fast, slow, vwap, strength
        )
        return None if proposed is None else self.settle(row, timestamp_ns, proposed, slow)

    def fault(self, timestamp_ns: int, price: float, volume: float) -> str | None:
        """Return what forbids to act on the tick."""
        if not 0 < price < math.inf:
            return "bad_price"
        if not 0 <= volume < math.inf:
            return "bad_volume"
        return "backwards" if self.last_ns is not None and timestamp_ns < self.last_ns else None

    def proposal(self, price: float) -> PlainOrder | None:
        """Return the order that an exit or the waiting signal proposes; an exit comes before a signal."""
        try:
            signal = self.signals.get_nowait()
        except queue.Empty:
            signal = None
        number = len(self.orders) + 1
        if self.position.wants_exit(price):
            return PlainOrder(number, "sell", min(self.position.units, MAX_ORDER), price)
        return None if signal is None else PlainOrder(number, "buy", QUANTITY, price, signal)

    def settle(self, row: int, timestamp_ns: int, order: PlainOrder, slow: float) -> PlainOrder | None:
        """Let the risk gate judge the order, fill it and write it down."""
        refusal = self.risk.refusal(order, slow, self.position.units, timestamp_ns)
        if refusal is not None:
            self.logger.info("R,%d,%s,%s,%d,%r", row, refusal, order.side, order.quantity, order.price)
            return None
        self.orders.append(order)
        self.position.fill(order)
        self.logger.info("O,%d,%d,%s,%d,%r,%s", row, order.number, order.side, order.quantity, order.price,
                         aims(order.signal))  # fmt: skip
        return order

    def close(self) -> None:
        """Close the journal."""
        self.handler.close()


class NaivePipeline(Pipeline):
    """Keep the last ticks in lists and compute every indicator over them, each tick anew."""

    def __init__(self, journal: Path) -> None:
        super().__init__(journal)
        self.detector = NaiveDetector()
        self.prices: list[float] = []
        self.volumes: list[float] = []

    def averages(self, price: float, volume: float) -> Averages:
        """Take a tick into the lists and compute the averages over them."""
        self.prices.append(price)
        self.volumes.append(volume)
        del self.prices[:-KEPT], self.volumes[:-KEPT]
        slow_weight, recent = 2 / (SLOW + 1), SPANS * SLOW
        fast = exponential_average(self.prices[-SPANS * FAST :], 2 / (FAST + 1))
        slow = exponential_average(self.prices[-recent:], slow_weight)
        trades = zip(self.prices[-recent:], self.volumes[-recent:], strict=True)
        turnover = exponential_average([paid * traded for paid, traded in trades], slow_weight)
        traded = exponential_average(self.volumes[-recent:], slow_weight)
        changes = [later - before for before, later in zip(self.prices, self.prices[1:], strict=False)]
        return fast, slow, turnover / traded if traded > 0 else slow, relative_strength(changes)


class IncrementalPipeline(Pipeline):
    """Carry every average from tick to tick."""

    def __init__(self, journal: Path) -> None:
        super().__init__(journal)
        self.detector = IncrementalDetector()
        self.last: float | None = None
        self.fast = self.slow = self.gain = self.loss = self.turnover = self.traded = 0.0

    def averages(self, price: float, volume: float) -> Averages:
        """Move the averages by a tick, in the native engine's order of rounding."""
        if self.last is None:
            self.fast = self.slow = price
            self.turnover, self.traded = price * volume, volume
            change = 0.0
        else:
            change = price - self.last
            self.fast = moved(self.fast, price, 2 / (FAST + 1))
            self.slow = moved(self.slow, price, 2 / (SLOW + 1))
            self.gain = moved(self.gain, max(change, 0.0), 1 / RSI)
            self.loss = moved(self.loss, max(-change, 0.0), 1 / RSI)
            self.turnover = moved(self.turnover, price * volume, 2 / (SLOW + 1))
            self.traded = moved(self.traded, volume, 2 / (SLOW + 1))
        self.last = price
        changes = self.gain + self.loss
        vwap = self.turnover / self.traded if self.traded > 0 else self.slow
        return self.fast, self.slow, vwap, 100 * self.gain / changes if changes > 0 else 50.0


def moved(average: float, value: float, weight: float) -> float:
    return (1 - weight) * average + weight * value


def field(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def aims(signal: "Signal | None") -> str:
    """Return an order's last three fields, which are empty in an exit."""
    if signal is None:
        return ",,"
    return f"{float(signal.confidence):.6f},{float(signal.take_profit)!r},{float(signal.stop)!r}"
