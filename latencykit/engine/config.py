"""How an engine is set up. Every switch here is honoured; what the engine cannot do yet has no switch."""

import math
import os
from dataclasses import dataclass
from typing import Final

from latencykit.errors import InvalidTypeError, InvalidValueError

# What one order takes in an OrderArena: its 64-byte slot, and the view of it that is handed out.
ORDER_BYTES: Final = 112


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Set up an Engine.

    Args:
        update_interval: Least feed time between two updates, in seconds, at least 0. A tick that comes sooner
            after the last update is held: its volume counts towards the next update, its price does not.
            0 updates on every tick.
        cpu_pinning: Whether the engine pins the thread that makes it to the first of `cpu_cores`, until it is
            closed, and the logger's thread to the second.
        cpu_cores: Two different CPU numbers; used if `cpu_pinning` is set.
        preallocated_memory: Bytes of memory for orders, allocated when the engine is made. When it is full,
            the oldest order makes room for the newest.
        log_path: The file that gets one line per update; None logs nothing.
        log_capacity: How many records the ring of the logger holds, 16 to 2**25.
        log_flush_interval: Longest time between two writes of the log, in seconds, above 0.
        fast_period: Period of the fast EMA of the price, at least 1 and below `slow_period`.
        slow_period: Period of the slow EMA of the price.
        symbol_id: The instrument's number in orders, 0 to 2**32 - 1.
        order_quantity: Units in one order, at least 1.

    Raises:
        InvalidTypeError: A value is not a number of the right kind.
        InvalidValueError: A value is out of range.
    """

    update_interval: float = 0.0
    cpu_pinning: bool = False
    cpu_cores: tuple[int, ...] = (0, 1)
    preallocated_memory: int = 10_000_000
    log_path: str | os.PathLike[str] | None = None
    log_capacity: int = 100_000
    log_flush_interval: float = 0.001
    fast_period: int = 12
    slow_period: int = 26
    symbol_id: int = 1
    order_quantity: int = 100

    def __post_init__(self) -> None:
        for name, (least, most) in _INTEGERS.items():
            _check_integer(name, getattr(self, name), least, most)
        _check_seconds("update_interval", self.update_interval, zero_allowed=True)
        _check_seconds("log_flush_interval", self.log_flush_interval, zero_allowed=False)
        if self.fast_period >= self.slow_period:
            raise InvalidValueError(
                f"fast_period {self.fast_period} is not below slow_period {self.slow_period}; change them"
            )
        for core in self.cpu_cores:
            _check_integer("cpu_cores", core, 0, _MOST)
        if len(self.cpu_cores) != 2 or self.cpu_cores[0] == self.cpu_cores[1]:
            raise InvalidValueError(
                f"cpu_cores {self.cpu_cores!r} are not two different CPUs; engine and logger need one each"
            )

    @property
    def update_interval_ns(self) -> int:
        """The update interval in nanoseconds."""
        return round(self.update_interval * 1e9)

    @property
    def arena_capacity(self) -> int:
        """How many orders the preallocated memory holds."""
        return self.preallocated_memory // ORDER_BYTES


_MOST = 2**63 - 1
_INTEGERS = {
    "preallocated_memory": (ORDER_BYTES, _MOST),
    "log_capacity": (16, 2**25),
    "fast_period": (1, _MOST),
    "slow_period": (1, _MOST),
    "symbol_id": (0, 2**32 - 1),
    "order_quantity": (1, _MOST),
}


def _check_integer(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidTypeError(f"{name} {value!r} is not an integer; pass {least} to {most}")
    if not least <= value <= most:
        raise InvalidValueError(f"{name} {value} is out of range; pass {least} to {most}")


def _check_seconds(name: str, value: object, *, zero_allowed: bool) -> None:
    remedy = f"pass seconds, {'at least' if zero_allowed else 'above'} 0"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidTypeError(f"{name} {value!r} is not a number; {remedy}")
    if not (math.isfinite(value) and (value >= 0 if zero_allowed else value > 0)):
        raise InvalidValueError(f"{name} {value!r} is out of range; {remedy}")
