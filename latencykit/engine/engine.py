"""The engine, composed of our parts: a tick goes through indicators, signal and order to the log."""

import math
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, Self

from latencykit.engine.config import EngineConfig
from latencykit.engine.indicators import Ema
from latencykit.engine.logger import AsyncLogger
from latencykit.engine.orders import BUY, Order, OrderArena
from latencykit.engine.pinning import CpuPinning
from latencykit.engine.signals import PanicDetector, Signal
from latencykit.engine.ticks import Ticks
from latencykit.errors import InvalidStateError, InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_TEMPLATE: Final = "{} price={} volume={} fast={} slow={} order={}"
_INFINITY: Final = math.inf
_NEVER_NS: Final = 2**63  # later than every time, so that whatever comes first is an update


class Detector(Protocol):
    """Decides on each update whether to enter."""

    def update(self, price: float, volume: float, /) -> Signal | None:
        """Take the next price and volume, and return a signal or None."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of a feed.

    Attributes:
        ticks: How many ticks came in.
        updates: How many of them led to an update; the others were held by the update interval.
        signals: How many signals the detector gave.
        orders: How many orders were made.
        elapsed_ns: Wall time from the first tick to the last decision; lines may still be on their way.
        signal_indices: The ticks that gave signals, counted from 0.
        signal_timestamps_ns: Their times, UTC nanoseconds since 1970.
    """

    ticks: int
    updates: int
    signals: int
    orders: int
    elapsed_ns: int
    signal_indices: tuple[int, ...]
    signal_timestamps_ns: tuple[int, ...]


class Engine:
    """Turn ticks into orders; one thread at a time may use it.

    Every update feeds two EMAs of the price and the detector, makes a buy order if the detector signals a
    panic, and logs one line. Close the engine, or use it in a ``with`` statement, so that the log is complete
    and the thread has its CPUs back.

    Args:
        config: The set-up; EngineConfig() if None.
        detector: What decides to enter; PanicDetector() if None.

    Raises:
        InvalidValueError: A CPU to pin to is not ours to use.
        UnsupportedError: Pinning is asked for on a system without it.
        OSError: The log cannot be written.
    """

    def __init__(self, config: EngineConfig | None = None, *, detector: Detector | None = None) -> None:
        self.config = config or EngineConfig()
        self._arena = OrderArena(self.config.arena_capacity, on_exhausted="recycle")
        self._create = self._arena.create
        self._fast = Ema(period=self.config.fast_period).update
        self._slow = Ema(period=self.config.slow_period).update
        self._detect: Callable[[float, float], Signal | None] = (detector or PanicDetector()).update
        self._interval_ns = self.config.update_interval_ns
        self._updated_ns = _NEVER_NS
        self._held_volume = 0.0
        self._updates = self._signals = self._orders = 0
        self._pinning: CpuPinning | None = None
        self._logger: AsyncLogger | None = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        self._log: Callable[..., object] = self._logger.site(LOG_TEMPLATE) if self._logger else _log_nothing

    def _start(self) -> None:
        """Pin, and open the log between: its thread inherits the CPU of the thread that starts it."""
        config = self.config
        if config.cpu_pinning:
            self._pinning = CpuPinning(config.cpu_cores)
            self._pinning.pin_current_thread(config.cpu_cores[1])
        if config.log_path is not None:
            self._logger = AsyncLogger(
                config.log_path, capacity=config.log_capacity, flush_interval=config.log_flush_interval
            )
        if self._pinning is not None:
            self._pinning.pin_current_thread(config.cpu_cores[0])

    def on_tick(self, timestamp_ns: int, price: float, volume: float, /) -> Order | None:
        """Take one tick, and return the order that it led to.

        Args:
            timestamp_ns: Time of the tick, UTC nanoseconds since 1970.
            price: Finite and above 0.
            volume: Finite and at least 0.

        Returns:
            The order, or None. It is valid until so many newer ones were made that the arena recycles it.

        Raises:
            InvalidValueError: The price or the volume is out of range; the tick changes nothing.
            InvalidStateError: The engine is closed.
        """
        if not (0 < price < _INFINITY and 0 <= volume < _INFINITY):
            _refuse_values(price, volume)
        if 0 <= timestamp_ns - self._updated_ns < self._interval_ns:
            self._held_volume += volume
            return None
        volume += self._held_volume
        signal = self._detect(price, volume)
        self._updated_ns = timestamp_ns
        self._held_volume = 0.0
        self._updates += 1
        fast = self._fast(price)
        slow = self._slow(price)
        if signal is None:
            self._log(timestamp_ns, price, volume, fast, slow, 0)
            return None
        self._signals += 1
        order = self._create(self.config.symbol_id, BUY, self.config.order_quantity, signal.price)
        self._orders += 1
        self._log(timestamp_ns, price, volume, fast, slow, order.handle)
        return order

    def run(self, ticks: Ticks) -> RunReport:
        """Take every tick of a feed, as fast as it goes.

        Args:
            ticks: The feed.

        Raises:
            InvalidValueError: A price or a volume is out of range; the ticks before it are done.
            InvalidStateError: The engine is closed.
        """
        rows = ticks.rows()
        on_tick = self.on_tick
        before = self._updates, self._signals, self._orders
        hits = []
        start_ns = time.perf_counter_ns()
        for index, (timestamp_ns, price, volume) in enumerate(rows):
            if on_tick(timestamp_ns, price, volume) is not None:
                hits.append(index)
        elapsed_ns = time.perf_counter_ns() - start_ns
        return RunReport(
            ticks=len(rows),
            updates=self._updates - before[0],
            signals=self._signals - before[1],
            orders=self._orders - before[2],
            elapsed_ns=elapsed_ns,
            signal_indices=tuple(hits),
            signal_timestamps_ns=tuple(rows[index][0] for index in hits),
        )

    def drain(self) -> None:
        """Return when every line logged so far is in the file."""
        if self._logger is not None:
            self._logger.drain()

    def close(self) -> None:
        """Complete the log and give the thread its CPUs back; a second call does nothing."""
        self._detect = _refuse_all
        self._interval_ns = 0
        if self._pinning is not None:
            self._pinning.restore()
        if self._logger is not None:
            self._logger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


def _refuse_values(price: float, volume: float) -> NoReturn:
    if not 0 < price < _INFINITY:
        raise InvalidValueError(f"price {price!r} is not finite and above 0; drop the tick")
    raise InvalidValueError(f"volume {volume!r} is not finite and at least 0; drop the tick")


def _log_nothing(*_: object) -> None:
    """Take the place of the log site where no log is asked for."""


def _refuse_all(_price: float, _volume: float) -> Signal | None:
    """Take the place of the detector in a closed engine, so that an open one need not ask on every tick."""
    raise InvalidStateError("the engine is closed; make a new one")
