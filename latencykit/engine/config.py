"""How an engine is set up: what it decides by, what it may do, and the switches that make it fast."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Literal, Self

from latencykit.engine.config_checks import (
    check_choice,
    check_cores,
    check_integer,
    check_kind,
    check_number,
    check_path,
    duration_ns,
    plain,
)
from latencykit.engine.signals import PanicDetector
from latencykit.errors import InvalidTypeError, InvalidValueError

# What one order takes in an OrderArena: its 64-byte slot, and the view of it that is handed out.
ORDER_BYTES: Final = 112
# Orders that are kept when no memory is allocated ahead; their pages are touched when they are first used.
_LAZY_ORDERS: Final = 16_384

TickPolicy = Literal["accept", "skip", "halt"]
_POLICIES: Final = ("accept", "skip", "halt")
_DEGRADED: Final = ("continue", "reduce", "pause")
_ON_ERROR: Final = ("halt", "skip")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRules:
    """Say what becomes of a tick that is not as it should be: accepted, skipped, or the engine's halt.

    Each is counted with its row, whatever the rule. What is skipped changes nothing else.

    Args:
        unknown_symbol: The symbol's number is not below `symbols`; cannot be accepted.
        bad_price: Not finite, zero or negative; cannot be accepted.
        bad_volume: Not finite or negative; cannot be accepted.
        bad_quote: One side without the other, or not finite and positive; cannot be accepted.
        crossed_quote: The bid is above the ask.
        backwards: Before the symbol's last tick.
        repeated_quote: All of it equals the symbol's last tick, and it has a quote.
        repeated_trade: All of it equals the symbol's last tick, without a quote: two equal trades are both real.
        gap: Later than `longest_gap` after the symbol's last tick. Averages go on across a gap as if it were none.
        longest_gap: A duration as text with a unit or in nanoseconds; None calls nothing a gap.

    Raises:
        InvalidValueError: A policy is unknown, or accepts what no engine can work with.
    """

    unknown_symbol: TickPolicy = "skip"
    bad_price: TickPolicy = "skip"
    bad_volume: TickPolicy = "skip"
    bad_quote: TickPolicy = "skip"
    crossed_quote: TickPolicy = "skip"
    backwards: TickPolicy = "skip"
    repeated_quote: TickPolicy = "skip"
    repeated_trade: TickPolicy = "accept"
    gap: TickPolicy = "accept"
    longest_gap: str | float | None = None

    def __post_init__(self) -> None:
        for kind in _KINDS:
            check_choice(kind, getattr(self, kind), _POLICIES)
        for kind in _KINDS[:4]:
            if getattr(self, kind) == "accept":
                raise InvalidValueError(
                    f"{kind} cannot be accepted: nothing can be computed of it; use 'skip' or 'halt'"
                )
        check_integer("longest_gap", self.longest_gap_ns, 0)

    @property
    def longest_gap_ns(self) -> int:
        """The longest gap in nanoseconds; 0 if nothing is one."""
        return 0 if self.longest_gap is None else round(duration_ns("longest_gap", self.longest_gap))

    @property
    def policies(self) -> tuple[int, ...]:
        """The policies as the native engine numbers them."""
        return tuple(_POLICIES.index(getattr(self, kind)) for kind in _KINDS)


_KINDS: Final = tuple(each.name for each in fields(FeedRules))[:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """Limit what an engine may order.

    Args:
        max_order_quantity: Units in one order, at least 1; a larger position is left in several orders.
        max_position: Units of one symbol, at least 1.
        price_collar: Largest distance of an order's price from the symbol's slow average, as a fraction; 0 is none.
        max_orders_per_second: Orders within a second of the feed's time, at most 10,000,000; 0 is no limit.

    Raises:
        InvalidTypeError: A value is not a number of the right kind.
        InvalidValueError: A value is out of range.
    """

    max_order_quantity: int = 1_000
    max_position: int = 1_000
    price_collar: float = 0.1
    max_orders_per_second: int = 100

    def __post_init__(self) -> None:
        check_integer("max_order_quantity", self.max_order_quantity, 1)
        check_integer("max_position", self.max_position, 1)
        check_number("price_collar", self.price_collar, unit="a fraction of the price", zero_allowed=True)
        check_integer("max_orders_per_second", self.max_orders_per_second, 0, 10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Set up an Engine.

    Args:
        update_interval: Least feed time between two updates of a symbol, in seconds, 0 to 1e9. A tick that comes
            sooner is held: its volume counts towards the next update, its price does not. 0 updates on every tick.
        cpu_pinning: Whether the engine pins the thread that makes it to the first of `cpu_cores`, until it is
            closed, and the journal's thread to the second.
        cpu_cores: Two different CPU numbers; used if `cpu_pinning` is set.
        lockfree: Whether the journal's queue is lock-free; else it is under a mutex.
        preallocated_memory: Bytes of memory for orders, allocated and touched when the engine is made; when it is
            full, the oldest order makes room for the newest. 0 allocates nothing ahead: memory of orders is touched
            when it is first used, and each record of the journal is asked of the allocator.
        simd: Whether averages are computed in pairs in vector registers.
        symbols: How many instruments, numbered from 0, at most 1,000,000; each has a detector and averages of its own.
        fast_period: Period of the fast EMA of the price, at least 1 and below `slow_period`.
        slow_period: Period of the slow EMA of the price.
        rsi_period: Period of Wilder's relative strength index, at least 1.
        panic: Arguments of the PanicDetector, such as ``{"window": 200}``.
        order_quantity: Units in an entry, at least 1.
        exits: Whether a position is sold when its take-profit or stop is reached.
        risk: What orders must stay within.
        feed_rules: What becomes of ticks that are not as they should be.
        on_strategy_error: ``halt`` ends with the strategy's exception; ``skip`` counts it and goes on.
        when_degraded: What is done while the mean time of a tick is above `latency_limit`: ``continue``; ``reduce``
            enters with half the quantity; ``pause`` does not enter. The last two make a replay depend on the machine.
        latency_limit: A duration as text with a unit or in nanoseconds.
        sample_every: One tick in so many is timed, at random distances; 1 times all of them, 0 none.
        kept_decisions: How many of the newest decisions are kept, at least 1.
        journal_path: The file that gets a line for each tick and decision; None journals nothing.
        journal_replace: Whether a journal that is there may be replaced.
        journal_capacity: How many records its queue holds, 1 to 2**25; a full queue makes the engine wait.
        journal_flush_interval: Longest time between two writes of it, in seconds, above 0, to 3,000.

    Raises:
        InvalidTypeError: A value is not of the right kind.
        InvalidValueError: A value is out of range.
    """

    update_interval: float = 0.0
    cpu_pinning: bool = False
    cpu_cores: tuple[int, ...] = (0, 1)
    lockfree: bool = True
    preallocated_memory: int = 10_000_000
    simd: bool = True
    symbols: int = 1
    fast_period: int = 12
    slow_period: int = 26
    rsi_period: int = 14
    panic: Mapping[str, float] = field(default_factory=dict)
    order_quantity: int = 100
    exits: bool = True
    risk: RiskLimits = field(default_factory=RiskLimits)
    feed_rules: FeedRules = field(default_factory=FeedRules)
    on_strategy_error: Literal["halt", "skip"] = "halt"
    when_degraded: Literal["continue", "reduce", "pause"] = "continue"
    latency_limit: str | float = "10us"
    sample_every: int = 64
    kept_decisions: int = 10_000
    journal_path: str | os.PathLike[str] | None = None
    journal_replace: bool = False
    journal_capacity: int = 100_000
    journal_flush_interval: float = 0.001

    def __post_init__(self) -> None:
        self._check_kinds()
        object.__setattr__(self, "panic", MappingProxyType({name: plain(value) for name, value in self.panic.items()}))
        for name, (least, most) in _INTEGERS.items():
            check_integer(name, getattr(self, name), least, most)
        for name in _FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise InvalidTypeError(f"{name} {getattr(self, name)!r} is neither True nor False")
        check_number("update_interval", self.update_interval, unit="seconds", zero_allowed=True, most=1e9)
        check_number(
            "journal_flush_interval", self.journal_flush_interval, unit="seconds", zero_allowed=False, most=3e3
        )
        check_choice("on_strategy_error", self.on_strategy_error, _ON_ERROR)
        check_choice("when_degraded", self.when_degraded, _DEGRADED)
        duration_ns("latency_limit", self.latency_limit)
        self._check_together()

    def _check_kinds(self) -> None:
        check_kind("panic", self.panic, Mapping, "a mapping such as {'window': 200}")
        check_kind("risk", self.risk, RiskLimits, "RiskLimits(...)")
        check_kind("feed_rules", self.feed_rules, FeedRules, "FeedRules(...)")
        check_cores("cpu_cores", self.cpu_cores)
        check_path("journal_path", self.journal_path)

    def _check_together(self) -> None:
        if self.fast_period >= self.slow_period:
            raise InvalidValueError(
                f"fast_period {self.fast_period} is not below slow_period {self.slow_period}; change them"
            )
        if 0 < self.preallocated_memory < ORDER_BYTES:
            raise InvalidValueError(
                f"preallocated_memory {self.preallocated_memory} holds no order; pass {ORDER_BYTES} or more, or 0"
            )
        self.make_detector()

    @property
    def update_interval_ns(self) -> int:
        """The update interval in nanoseconds."""
        return round(self.update_interval * 1e9)

    @property
    def arena_capacity(self) -> int:
        """How many orders are kept."""
        return self.preallocated_memory // ORDER_BYTES or _LAZY_ORDERS

    def make_detector(self) -> PanicDetector:
        """Return a detector as the engine uses one for each symbol.

        Raises:
            InvalidValueError: One of its arguments is unknown or out of range.
        """
        arguments: dict[str, Any] = dict(self.panic)
        try:
            return PanicDetector(**arguments)
        except TypeError as error:
            raise InvalidValueError(f"panic: {error}; see PanicDetector for what it takes") from None

    def native(self) -> dict[str, object]:
        """Return the settings by the names and numbers that the native engine reads."""
        taken = ("symbols", "fast_period", "slow_period", "rsi_period", "order_quantity", "exits", "simd", "lockfree",
                 "sample_every", "journal_capacity", "journal_flush_interval")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in taken},
            **{each.name: getattr(self.risk, each.name) for each in fields(self.risk)},
            "policies": self.feed_rules.policies,
            "longest_gap_ns": self.feed_rules.longest_gap_ns,
            "update_interval_ns": self.update_interval_ns,
            "when_degraded": _DEGRADED.index(self.when_degraded),
            "latency_limit_ns": duration_ns("latency_limit", self.latency_limit),
            "kept_events": self.kept_decisions,
            "preallocated": self.preallocated_memory > 0,
            "strategy_halts": self.on_strategy_error == "halt",
        }

    def deciding(self) -> dict[str, object]:
        """Return the settings that decisions depend on, as the head of a journal names them."""
        silent = ("simd", "lockfree", "sample_every", "journal_capacity", "journal_flush_interval", "policies",
                  "kept_events", "preallocated", "latency_limit_ns")  # fmt: skip
        rules = {kind: getattr(self.feed_rules, kind) for kind in _KINDS}
        native = {name: value for name, value in self.native().items() if name not in silent}
        return {**native, **rules, "panic": dict(self.panic), "when_degraded": self.when_degraded}


_INTEGERS: Final = {
    "preallocated_memory": (0, 2**40),
    "journal_capacity": (1, 2**25),
    "symbols": (1, 1_000_000),
    "fast_period": (1, 2**31),
    "slow_period": (1, 2**31),
    "rsi_period": (1, 2**31),
    "order_quantity": (1, 2**53),
    "sample_every": (0, 2**31),
    "kept_decisions": (1, 100_000_000),
}
_FLAGS: Final = ("cpu_pinning", "lockfree", "simd", "exits", "journal_replace")


class PerformanceConfig(EngineConfig):
    """Presets of an EngineConfig: ``PerformanceConfig.production(journal_path="day.journal")``."""

    __slots__ = ()

    @classmethod
    def production(cls, **changes: Any) -> Self:
        """Return every switch on: an update a second, pinned to CPUs 0 and 1, lock-free, 10 MB ahead, SIMD.

        Args:
            changes: Arguments of EngineConfig that are to be otherwise.
        """
        return cls(**{"update_interval": 1.0, "cpu_pinning": True, **changes})

    @classmethod
    def naive(cls, **changes: Any) -> Self:
        """Return every switch off: no pinning, a mutex, no memory ahead, no SIMD; it updates on every tick.

        Args:
            changes: Arguments of EngineConfig that are to be otherwise.
        """
        return cls(**{"lockfree": False, "preallocated_memory": 0, "simd": False, **changes})
