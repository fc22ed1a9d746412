"""The engine: one tick through indicators, signal and order to the log, in plain Python and composed."""

import logging
import queue
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import latencykit as lk

from ._logs import bounded, log_file
from .signals import NaiveDetector
from .targets import TARGETS

if TYPE_CHECKING:
    from latencykit.engine import Signal
    from latencykit.suite import Operation

FAST, SLOW = 12, 26
WINDOW = 250  # so many prices that their EMA has forgotten where it began: (1 - 2/27)**250 is 4e-9
SYMBOL_ID, QUANTITY = 1, 100

engine = lk.Component(
    "engine",
    baseline="naive",
    target=TARGETS["engine"],
    doc="one cycle: a tick updates two EMAs and the panic detector, makes an order on a signal, logs a line",
)


@engine.variant
def naive() -> "Iterator[Operation]":
    with log_file() as log, closing(NaivePipeline(log)) as pipeline:
        yield lk.replay(pipeline.on_tick, lk.market().rows(), between=bounded(log))


@engine.variant(name="engine")
def composed() -> "Iterator[Operation]":
    from latencykit.engine import Engine, EngineConfig

    with log_file() as log:
        config = EngineConfig(
            log_path=log, fast_period=FAST, slow_period=SLOW, symbol_id=SYMBOL_ID, order_quantity=QUANTITY
        )
        with Engine(config) as running:
            yield lk.replay(running.on_tick, lk.market().rows(), between=bounded(log, running.drain))


@dataclass
class NaiveOrder:
    """An order as one writes it first."""

    symbol_id: int
    side: str
    quantity: int
    price: float


class NaivePipeline:
    """The same cycle as one writes it first: lists, dataclasses, a queue of signals, the logging module."""

    def __init__(self, log: Path) -> None:
        self.prices: list[float] = []
        self.detector = NaiveDetector()
        self.signals: queue.Queue[Signal] = queue.Queue()
        self.orders: list[NaiveOrder] = []
        self.handler = logging.FileHandler(log)
        self.handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self.logger = logging.Logger("naive", logging.INFO)
        self.logger.addHandler(self.handler)

    def on_tick(self, timestamp_ns: int, price: float, volume: float) -> NaiveOrder | None:
        """Take one tick through all stages."""
        self.prices.append(price)
        if len(self.prices) > WINDOW:
            self.prices.pop(0)
        fast = ema(self.prices, FAST)
        slow = ema(self.prices, SLOW)
        signal = self.detector.update(price, volume)
        if signal is not None:
            self.signals.put(signal)
        order = self.next_order()
        self.logger.info(
            "%d price=%s volume=%s fast=%s slow=%s order=%d",
            timestamp_ns, price, volume, fast, slow, 0 if order is None else len(self.orders),
        )  # fmt: skip
        return order

    def next_order(self) -> NaiveOrder | None:
        """Make an order of the signal that waits, if one does."""
        try:
            signal = self.signals.get_nowait()
        except queue.Empty:
            return None
        order = NaiveOrder(SYMBOL_ID, "buy", QUANTITY, signal.price)
        self.orders.append(order)
        return order

    def close(self) -> None:
        """Close the log."""
        self.handler.close()


def ema(prices: list[float], period: int) -> float:
    alpha = 2 / (period + 1)
    value = prices[0]
    for price in prices[1:]:
        value = alpha * price + (1 - alpha) * value
    return value
