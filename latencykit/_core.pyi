"""Types of the native module, kept true to it by stubtest."""

from collections.abc import Callable, Iterable
from types import GenericAlias, TracebackType
from typing import (
    Any,
    Final,
    Generic,
    Literal,
    Never,
    ParamSpec,
    Protocol,
    Self,
    SupportsFloat,
    SupportsIndex,
    TypeAlias,
    TypedDict,
    TypeVar,
    final,
    overload,
    type_check_only,
)

# --- logger: the native half of latencykit.engine.AsyncLogger
import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from typing_extensions import Buffer, disjoint_base

# ---- clock: native/bind/clock.cpp

class _ClockInfo(TypedDict):
    source: Literal["tsc", "monotonic"]
    frequency_hz: float
    resolution_ns: float
    invariant: bool
    forced: bool

def clock_info() -> _ClockInfo: ...
def now_ns() -> int: ...
def ticks() -> int: ...
def ns_per_tick() -> float: ...
def recalibrate() -> None: ...

@final
class SimulatedClock:
    """A clock that moves only when told to, for tests and replays; it begins at 0.

    Args:
        step: Readers see the clock in whole steps of so many nanoseconds, 1 or more.
        read_cost: How far each reading moves the clock on, in nanoseconds.

    Raises:
        InvalidTypeError: An argument is not a whole number.
        InvalidValueError: It is negative or beyond 64 bits, or the step is 0.
    """

    def __new__(cls, step: SupportsIndex = 1, read_cost: SupportsIndex = 0) -> SimulatedClock: ...
    def advance(self, ns: SupportsIndex, /) -> None:
        """Move the clock on by 0 or more nanoseconds.

        Raises:
            InvalidTypeError: The argument is not a whole number.
            InvalidValueError: It is negative, or the clock would pass 2**64 - 1 ns.
        """
    def set(self, ns: SupportsIndex, /) -> None:
        """Move the clock to a time, 0 to 2**64 - 1 ns; back as well, as a clock does that was reset.

        Raises:
            InvalidTypeError: The argument is not a whole number.
            InvalidValueError: It is out of range.
        """
    def now_ns(self) -> int:
        """Return the time in nanoseconds, as a reader sees it: in whole steps, and paying for the reading."""

# ---- timer: native/bind/timer.cpp, timer_scope.cpp

@type_check_only
class Clock(Protocol):
    """Anything that tells the time in nanoseconds."""

    def now_ns(self) -> SupportsIndex:
        """Return the time, 0 to 2**64 - 1 ns."""

@final
class TimerScope:
    """Times the blocks of `with` statements, one at a time; made by PrecisionTimer.measure().

    Entering raises InvalidStateError if the scope is inside a block already, leaving if it is not. What ``as`` binds is
    the scope.
    """

    def __new__(cls, *args: Never) -> Never: ...
    def __call__(self, *args: Never, **kwargs: Never) -> Never:
        """Serve with statements only, which call a scope as its own __enter__ and __exit__."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    @property
    def elapsed_ns(self) -> int:
        """How long the last block took, in nanoseconds; InvalidStateError before the first has ended."""

@final
class PrecisionTimer:
    """Reads the machine's clock, or another one, and times blocks with it.

    Any number of threads may share a timer. The first timer of a process calibrates the counter, which takes 10 ms.

    Args:
        clock: A SimulatedClock, or any object with a method ``now_ns()``, in place of the machine's clock.
        fenced: Whether a scope, before it reads the clock at the beginning of a block, waits for what the code before
            the block has begun. Only the machine's counter needs it.

    Raises:
        InvalidTypeError: The clock has no method ``now_ns()``.
    """

    def __new__(cls, clock: Clock | None = None, *, fenced: bool = False) -> PrecisionTimer: ...
    def now_ns(self) -> int:
        """Return the time in nanoseconds: of CLOCK_MONOTONIC, and it never goes back; or of the given clock.

        Raises:
            InvalidTypeError: The given clock returned something else than a whole number.
            InvalidValueError: It returned a number outside 0 to 2**64 - 1.
        """
    def ticks(self) -> int:
        """Return the machine's raw counter, which is not ordered with the work around it; else the given clock."""
    def measure(self, stats: Histogram, /) -> TimerScope:
        """Return a scope that times `with` blocks and records them in `stats`; it keeps both alive.

        Raises:
            InvalidTypeError: `stats` is not a histogram.
        """
    @property
    def clock(self) -> Clock | None:
        """The clock that was given, or None for the machine's."""

# ---- operation: native/bind/operation.cpp

@type_check_only
class AllocationCounts(TypedDict):
    raw: int
    mem: int
    object: int
    malloc: int | None

@final
class Operation:
    """Calls of a function with the argument rows in turn, timed by native loops."""

    def __new__(
        cls,
        function: Callable[..., object],
        rows: Iterable[tuple[object, ...]],
        clock: SimulatedClock | None = None,
        keywords: tuple[str, ...] = (),
    ) -> Operation: ...
    def time_calls(self, calls: int, /) -> tuple[int, Any]:
        """Call so many times; return the ticks that took and what the last call returned."""
    def sample_per_call(self, out: NDArray[np.uint64], /) -> None:
        """Fill the array with the ticks that each of so many calls took."""
    def sample_batched(self, out: NDArray[np.uint64], batch: int, /) -> None:
        """Fill the array with the ticks of batches of `batch` calls."""
    def run(self, calls: int, /) -> None:
        """Call so many times, untimed."""
    def count_allocations(self, calls: int, /) -> AllocationCounts:
        """Call so many times and count this thread's allocations by domain."""
    @property
    def ns_per_tick(self) -> float:
        """The length of a tick of this operation's clock."""
    @property
    def resolution_ns(self) -> float:
        """The step of this operation's clock, measured now."""

# ---- meter and probes: native/bind/meter.cpp, probes.cpp

def spin_meter(duration_ns: int, threshold_ns: int, /) -> tuple[int, int, int, int]: ...
def noop(*args: object) -> None: ...
def spin_ns(ns: int, /) -> None: ...
def multiply_chain(length: int, /) -> None: ...

# ---- orders: native/bind/order_arena.cpp, order_view.cpp

BUY: Final[int]
SELL: Final[int]
ORDER_DTYPE: Final[np.dtype[np.void]]

@final
class Order:
    """A view of one order in an OrderArena; made by its create() and view().

    Two views are equal if they are of the same order. Reading a field of an order that is over (released, or
    recycled for a newer one) raises InvalidStateError.
    """

    @property
    def handle(self) -> int:
        """The order's number, 1 to 2**63 - 1, unique in its arena for ever; readable when it is over."""
    @property
    def alive(self) -> bool:
        """Whether the order still exists."""
    @property
    def symbol_id(self) -> int:
        """The instrument's number."""
    @property
    def side(self) -> int:
        """BUY or SELL."""
    @property
    def quantity(self) -> int:
        """How many units, above 0."""
    @property
    def price(self) -> float:
        """The limit price, finite and above 0."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class OrderArena:
    """Orders in preallocated slots, created and released without an allocation.

    Args:
        capacity: How many orders may exist at once, 1 to 2**32; each takes 112 bytes, all reserved here.
        on_exhausted: What happens when every slot is in use. "raise": create() raises CapacityError. "grow":
            the slots double, up to 1024 times `capacity`; views and arrays stay valid. "recycle": the order
            that was created first is over, and its slot serves the new one.
        prefault: Whether all memory is touched here, so that no order meets a page fault; False leaves that to
            the first use of each page.
        huge_pages: "advise" asks for transparent huge pages where the arena fills one (2 MiB), "off" forbids
            them, "require" takes huge pages that the administrator set aside (vm.nr_hugepages).
        numa_node: The NUMA node that the memory comes from, or None for the kernel's choice. With `prefault` every
            page is there; without, a full node makes the kernel take pages from another.
        poison: For debugging: mark free slots, and check the marks before a slot is used again, so that a
            write through a pointer that outlived its order is found.

    Raises:
        InvalidTypeError: An argument has the wrong type.
        InvalidValueError: An argument is out of range or unknown, or the node does not exist; the message names the
            nodes that do.
        CapacityError: The system refused the memory, or so little is left that touching it would call the
            out-of-memory killer, or too few huge pages are set aside, or the node is full.
        UnsupportedError: The kernel has no huge pages or NUMA nodes, or denies the choice of a node.
    """

    def __new__(
        cls,
        capacity: SupportsIndex,
        on_exhausted: Literal["raise", "grow", "recycle"] = "raise",
        *,
        prefault: bool = True,
        huge_pages: Literal["advise", "off", "require"] = "advise",
        numa_node: SupportsIndex | None = None,
        poison: bool = False,
    ) -> OrderArena: ...
    def create(
        self,
        symbol_id: SupportsIndex,
        side: SupportsIndex,
        quantity: SupportsIndex,
        price: SupportsFloat | SupportsIndex,
    ) -> Order:
        """Create an order in a free slot and return a view of it.

        Args:
            symbol_id: The instrument's number, 0 to 2**32 - 1.
            side: BUY or SELL.
            quantity: How many units, 1 to 2**63 - 1.
            price: The limit price, finite and above 0.

        Raises:
            InvalidTypeError: An argument is not a number of the right kind, or there are not four.
            InvalidValueError: An argument is out of range; no slot is taken.
            CapacityError: Every slot is in use and on_exhausted says to raise, or the arena cannot grow.
            InvalidStateError: The arena poisons free slots and found a write into one.
        """
    def release(self, order: Order, /) -> None:
        """End an order and free its slot.

        Raises:
            InvalidTypeError: The argument is not an order.
            InvalidValueError: The order belongs to another arena.
            InvalidStateError: The order is already over.
        """
    def view(self, handle: SupportsIndex, /) -> Order:
        """Return a view of the order that a handle names.

        Raises:
            InvalidTypeError: The handle is not an int.
            InvalidValueError: This arena never issued the handle.
            InvalidStateError: The order is over.
        """
    def verify(self) -> int:
        """Look at every free slot for writes that should not have been; return how many there are.

        Raises:
            InvalidStateError: The arena was made without poison, or a free slot was written to; the message names
                the slot and the field.
        """
    @property
    def orders(self) -> npt.NDArray[np.void]:
        """The slots as a read-only structured array (ORDER_DTYPE) over the arena's memory."""
    @property
    def in_use(self) -> int:
        """How many orders exist now."""
    @property
    def high_water(self) -> int:
        """The most orders that existed at once."""
    @property
    def capacity(self) -> int:
        """How many slots there are now."""
    @property
    def allocations(self) -> int:
        """How often the arena had to ask for memory since it was built; 0 on the hot path."""
    @property
    def on_exhausted(self) -> Literal["raise", "grow", "recycle"]:
        """What happens when every slot is in use."""
    @property
    def prefault(self) -> bool:
        """Whether memory is touched before it is needed."""
    @property
    def huge_pages(self) -> Literal["advise", "off", "require"]:
        """Which pages were asked for."""
    @property
    def numa_node(self) -> int | None:
        """The NUMA node that the memory was asked from, or None."""
    @property
    def poison(self) -> bool:
        """Whether free slots are marked and checked."""

# ---- histogram: native/bind/histogram*.cpp, duration_watch.cpp

@disjoint_base
class Histogram:
    def __new__(cls, lowest: SupportsIndex = 1, highest: SupportsIndex = ..., digits: SupportsIndex = 3) -> Self: ...
    __hash__: None  # type: ignore[assignment]
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    @property
    def lowest(self) -> int: ...
    @property
    def highest(self) -> int: ...
    @property
    def digits(self) -> int: ...
    @property
    def buckets(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def saturated(self) -> int: ...
    @property
    def min(self) -> int: ...
    @property
    def max(self) -> int: ...
    @property
    def mean(self) -> float: ...
    @property
    def stddev(self) -> float: ...
    def record(self, ns: SupportsIndex, /) -> None: ...
    def record_n(self, ns: SupportsIndex, count: SupportsIndex, /) -> None: ...
    def record_corrected(self, ns: SupportsIndex, expected_interval_ns: SupportsIndex, /) -> None: ...
    def record_many(self, durations_ns: NDArray[np.int64] | NDArray[np.uint64] | NDArray[np.float64], /) -> None: ...
    def record_ticks(self, ticks: NDArray[np.uint64], ns_per_tick: SupportsFloat, /) -> None: ...
    def percentile(self, q: SupportsFloat, /) -> int: ...
    def value_at_rank(self, rank: SupportsIndex, /) -> int: ...
    def merge(self, other: Histogram, /) -> None: ...
    def reset(self) -> None: ...
    def copy(self) -> Histogram: ...
    def iter_recorded(self) -> list[tuple[int, int]]: ...
    def encode_counts(self) -> bytes: ...
    def decode_counts(self, data: Buffer, /) -> None: ...
    def add_watch(self, watch: DurationWatch, /) -> None: ...
    def remove_watch(self, watch: DurationWatch, /) -> None: ...
    @classmethod
    def _from_interval(cls, source: Histogram, /) -> Self: ...
    @classmethod
    def __init_subclass__(cls, **keywords: Any) -> None: ...

@final
class DurationWatch:
    def __new__(cls, statistic: Literal["max", "mean"], limit_ns: SupportsFloat) -> DurationWatch: ...
    def wait(self, every_ns: SupportsIndex, /) -> bool: ...
    def crossed(self) -> bool: ...
    def collect(self) -> tuple[float, int, int, int]: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...

# ---- indicators: native/bind/indicators.cpp

ISA: Final[str]
ISAS: Final[tuple[str, ...]]

_Seed: TypeAlias = Literal["first", "sma"]
_Ddof: TypeAlias = Literal[0, 1]
_Missing: TypeAlias = Literal["skip", "propagate"]
_Float32s: TypeAlias = NDArray[np.float32]
_Float64s: TypeAlias = NDArray[np.float64]
_ThreeFloat32s: TypeAlias = tuple[_Float32s, _Float32s, _Float32s]
_ThreeFloat64s: TypeAlias = tuple[_Float64s, _Float64s, _Float64s]

@overload
def ema(
    x: _Float32s,
    period: int | None = None,
    *,
    alpha: float | None = None,
    seed: _Seed = "first",
    missing: _Missing = "skip",
    out: _Float32s | None = None,
    isa: str | None = None,
) -> _Float32s: ...
@overload
def ema(
    x: npt.ArrayLike,
    period: int | None = None,
    *,
    alpha: float | None = None,
    seed: _Seed = "first",
    missing: _Missing = "skip",
    out: _Float64s | None = None,
    isa: str | None = None,
) -> _Float64s: ...
@overload
def sma(
    x: _Float32s,
    period: int,
    *,
    missing: _Missing = "skip",
    out: _Float32s | None = None,
    isa: str | None = None,
) -> _Float32s: ...
@overload
def sma(
    x: npt.ArrayLike,
    period: int,
    *,
    missing: _Missing = "skip",
    out: _Float64s | None = None,
    isa: str | None = None,
) -> _Float64s: ...
@overload
def rsi(
    x: _Float32s,
    period: int = 14,
    *,
    seed: _Seed = "sma",
    missing: _Missing = "skip",
    out: _Float32s | None = None,
    isa: str | None = None,
) -> _Float32s: ...
@overload
def rsi(
    x: npt.ArrayLike,
    period: int = 14,
    *,
    seed: _Seed = "sma",
    missing: _Missing = "skip",
    out: _Float64s | None = None,
    isa: str | None = None,
) -> _Float64s: ...
@overload
def macd(
    x: _Float32s,
    fast: int = 12,
    slow: int = 26,
    signal: int = 9,
    *,
    seed: _Seed = "first",
    missing: _Missing = "skip",
    out: _ThreeFloat32s | None = None,
    isa: str | None = None,
) -> _ThreeFloat32s: ...
@overload
def macd(
    x: npt.ArrayLike,
    fast: int = 12,
    slow: int = 26,
    signal: int = 9,
    *,
    seed: _Seed = "first",
    missing: _Missing = "skip",
    out: _ThreeFloat64s | None = None,
    isa: str | None = None,
) -> _ThreeFloat64s: ...
@overload
def bollinger(
    x: _Float32s,
    period: int = 20,
    width: float = 2.0,
    *,
    ddof: _Ddof = 0,
    missing: _Missing = "skip",
    out: _ThreeFloat32s | None = None,
    isa: str | None = None,
) -> _ThreeFloat32s: ...
@overload
def bollinger(
    x: npt.ArrayLike,
    period: int = 20,
    width: float = 2.0,
    *,
    ddof: _Ddof = 0,
    missing: _Missing = "skip",
    out: _ThreeFloat64s | None = None,
    isa: str | None = None,
) -> _ThreeFloat64s: ...
@overload
def atr(
    high: _Float32s,
    low: _Float32s,
    close: _Float32s,
    period: int = 14,
    *,
    seed: _Seed = "sma",
    missing: _Missing = "skip",
    out: _Float32s | None = None,
    isa: str | None = None,
) -> _Float32s: ...
@overload
def atr(
    high: npt.ArrayLike,
    low: npt.ArrayLike,
    close: npt.ArrayLike,
    period: int = 14,
    *,
    seed: _Seed = "sma",
    missing: _Missing = "skip",
    out: _Float64s | None = None,
    isa: str | None = None,
) -> _Float64s: ...
@overload
def vwap(
    price: _Float32s,
    volume: _Float32s,
    period: int | None = None,
    *,
    missing: _Missing = "skip",
    out: _Float32s | None = None,
    isa: str | None = None,
) -> _Float32s: ...
@overload
def vwap(
    price: npt.ArrayLike,
    volume: npt.ArrayLike,
    period: int | None = None,
    *,
    missing: _Missing = "skip",
    out: _Float64s | None = None,
    isa: str | None = None,
) -> _Float64s: ...
@overload
def rolling_std(
    x: _Float32s,
    period: int,
    *,
    ddof: _Ddof = 0,
    missing: _Missing = "skip",
    out: _Float32s | None = None,
    isa: str | None = None,
) -> _Float32s: ...
@overload
def rolling_std(
    x: npt.ArrayLike,
    period: int,
    *,
    ddof: _Ddof = 0,
    missing: _Missing = "skip",
    out: _Float64s | None = None,
    isa: str | None = None,
) -> _Float64s: ...
@overload
def rolling_min(
    x: _Float32s,
    period: int,
    *,
    missing: _Missing = "skip",
    out: _Float32s | None = None,
    isa: str | None = None,
) -> _Float32s: ...
@overload
def rolling_min(
    x: npt.ArrayLike,
    period: int,
    *,
    missing: _Missing = "skip",
    out: _Float64s | None = None,
    isa: str | None = None,
) -> _Float64s: ...
@overload
def rolling_max(
    x: _Float32s,
    period: int,
    *,
    missing: _Missing = "skip",
    out: _Float32s | None = None,
    isa: str | None = None,
) -> _Float32s: ...
@overload
def rolling_max(
    x: npt.ArrayLike,
    period: int,
    *,
    missing: _Missing = "skip",
    out: _Float64s | None = None,
    isa: str | None = None,
) -> _Float64s: ...
@overload
def zscore(
    x: _Float32s,
    period: int,
    *,
    ddof: _Ddof = 0,
    missing: _Missing = "skip",
    out: _Float32s | None = None,
    isa: str | None = None,
) -> _Float32s: ...
@overload
def zscore(
    x: npt.ArrayLike,
    period: int,
    *,
    ddof: _Ddof = 0,
    missing: _Missing = "skip",
    out: _Float64s | None = None,
    isa: str | None = None,
) -> _Float64s: ...

_P = ParamSpec("_P")
_Out_co = TypeVar("_Out_co", covariant=True)

@final
class Bound(Generic[_Out_co]):
    def __call__(self) -> _Out_co: ...
    @property
    def function(self) -> Callable[..., _Out_co]: ...
    @property
    def inputs(self) -> tuple[NDArray[Any], ...]: ...
    @property
    def out(self) -> _Out_co: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

def bind(function: Callable[_P, _Out_co], /, *args: _P.args, **kwargs: _P.kwargs) -> Bound[_Out_co]: ...

# ---- streaming indicators: native/bind/streaming*.cpp

@final
class Ema:
    def __new__(
        cls,
        period: int | None = None,
        *,
        alpha: float | None = None,
        seed: Literal["first", "sma"] = "first",
        missing: Literal["skip", "propagate"] = "skip",
    ) -> Ema: ...
    def update(self, value: float, /) -> float: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> float: ...
    @property
    def period(self) -> int | None: ...
    @property
    def alpha(self) -> float: ...
    @property
    def seed(self) -> Literal["first", "sma"]: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

@final
class Sma:
    def __new__(cls, period: int, *, missing: Literal["skip", "propagate"] = "skip") -> Sma: ...
    def update(self, value: float, /) -> float: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> float: ...
    @property
    def period(self) -> int: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

@final
class Rsi:
    def __new__(
        cls, period: int = 14, *, seed: Literal["first", "sma"] = "sma", missing: Literal["skip", "propagate"] = "skip"
    ) -> Rsi: ...
    def update(self, value: float, /) -> float: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> float: ...
    @property
    def period(self) -> int: ...
    @property
    def seed(self) -> Literal["first", "sma"]: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

@final
class Macd:
    def __new__(
        cls,
        fast: int = 12,
        slow: int = 26,
        signal: int = 9,
        *,
        seed: Literal["first", "sma"] = "first",
        missing: Literal["skip", "propagate"] = "skip",
    ) -> Macd: ...
    def update(self, value: float, /) -> tuple[float, float, float]: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> tuple[float, float, float]: ...
    @property
    def fast(self) -> int: ...
    @property
    def slow(self) -> int: ...
    @property
    def signal(self) -> int: ...
    @property
    def seed(self) -> Literal["first", "sma"]: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

@final
class Bollinger:
    def __new__(
        cls,
        period: int = 20,
        width: float = 2.0,
        *,
        ddof: Literal[0, 1] = 0,
        missing: Literal["skip", "propagate"] = "skip",
    ) -> Bollinger: ...
    def update(self, value: float, /) -> tuple[float, float, float]: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> tuple[float, float, float]: ...
    @property
    def period(self) -> int: ...
    @property
    def width(self) -> float: ...
    @property
    def ddof(self) -> int: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

@final
class Atr:
    def __new__(
        cls, period: int = 14, *, seed: Literal["first", "sma"] = "sma", missing: Literal["skip", "propagate"] = "skip"
    ) -> Atr: ...
    def update(self, high: float, low: float, close: float, /) -> float: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> float: ...
    @property
    def period(self) -> int: ...
    @property
    def seed(self) -> Literal["first", "sma"]: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

@final
class Vwap:
    def __new__(cls, period: int | None = None, *, missing: Literal["skip", "propagate"] = "skip") -> Vwap: ...
    def update(self, price: float, volume: float, /) -> float: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> float: ...
    @property
    def period(self) -> int | None: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

@final
class RollingStd:
    def __new__(
        cls, period: int, *, ddof: Literal[0, 1] = 0, missing: Literal["skip", "propagate"] = "skip"
    ) -> RollingStd: ...
    def update(self, value: float, /) -> float: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> float: ...
    @property
    def period(self) -> int: ...
    @property
    def ddof(self) -> int: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

@final
class Zscore:
    def __new__(
        cls, period: int, *, ddof: Literal[0, 1] = 0, missing: Literal["skip", "propagate"] = "skip"
    ) -> Zscore: ...
    def update(self, value: float, /) -> float: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> float: ...
    @property
    def period(self) -> int: ...
    @property
    def ddof(self) -> int: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

@final
class RollingMin:
    def __new__(cls, period: int, *, missing: Literal["skip", "propagate"] = "skip") -> RollingMin: ...
    def update(self, value: float, /) -> float: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> float: ...
    @property
    def period(self) -> int: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

@final
class RollingMax:
    def __new__(cls, period: int, *, missing: Literal["skip", "propagate"] = "skip") -> RollingMax: ...
    def update(self, value: float, /) -> float: ...
    def reset(self) -> None: ...
    @property
    def value(self) -> float: ...
    @property
    def period(self) -> int: ...
    @property
    def missing(self) -> Literal["skip", "propagate"]: ...

# --- logger: latencykit.engine.AsyncLogger's native half -------------------------------------------------------

@final
class AsyncLogger:
    @property
    def dropped(self) -> int: ...
    @property
    def written(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    @property
    def late(self) -> int: ...
    @property
    def threshold(self) -> int: ...
    @threshold.setter
    def threshold(self, severity: int) -> None: ...
    def __new__(
        cls,
        path: str | bytes,
        capacity: int,
        flush_interval_ns: int,
        block: bool,
        threshold: int = 0,
        json: bool = False,
        rotate_bytes: int = 0,
        rotate_every_ns: int = 0,
        backups: int = 1,
        drop_oldest: bool = False,
        crash_proof: bool = False,
    ) -> AsyncLogger: ...
    def site(self, template: str, level: str, severity: int, max_per_second: int = 0, /) -> LogSite: ...
    def reopen(self) -> None: ...
    def flush(self) -> None: ...
    def drain(self) -> None: ...
    def close(self) -> None: ...

@final
class LogSite:
    @property
    def template(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def suppressed(self) -> int: ...
    @property
    def max_per_second(self) -> int | None: ...
    def __new__(cls, *args: Never) -> Never: ...
    def __call__(self, *args: object) -> None: ...

# ---- recovery of a killed logger's records: native/bind/log_recovery.cpp

@type_check_only
class _Recovered(TypedDict):
    records: int
    damaged: int
    dropped: int
    rest_lines: int
    torn_bytes: int
    inexact: bool
    unfinished: bool
    process: int
    damage: tuple[str, ...]
    kept_as: str

def recover_log(rings: str | bytes, log: str | bytes, out: int, in_use: bool, telling: bool, /) -> _Recovered: ...

# ---- signals: native/bind/signal.cpp, panic_detector.cpp

@final
class Signal:
    def __new__(
        cls, price: float, confidence: float, take_profit: float, stop: float, index: int, kind: str = "panic"
    ) -> Signal: ...
    @property
    def kind(self) -> str: ...
    @property
    def price(self) -> float: ...
    @property
    def confidence(self) -> float: ...
    @property
    def take_profit(self) -> float: ...
    @property
    def stop(self) -> float: ...
    @property
    def index(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Signal], tuple[float, float, float, float, int, str]]: ...

@final
class PanicDetector:
    def __new__(
        cls,
        window: int = 100,
        *,
        horizon: int = 30,
        fall_deviations: float = 4.0,
        least_fall: float = 0.008,
        volume_ratio: float = 2.5,
        rsi_period: int = 14,
        oversold: float = 30.0,
        refractory: int = 100,
        turn: int = 2,
    ) -> PanicDetector: ...
    def update(self, price: float, volume: float, /) -> Signal | None: ...
    def scan(self, prices: npt.ArrayLike, volumes: npt.ArrayLike, /) -> list[Signal]: ...
    @property
    def ticks(self) -> int: ...
    @property
    def volatility(self) -> float: ...
    @property
    def rsi(self) -> float: ...

# ---- allocations: native/bind/allocations.cpp

_Returned = TypeVar("_Returned")

@final
class AllocationCounter:
    def __new__(cls, *, sites: int = 0, levels: int = 0) -> AllocationCounter: ...
    @property
    def sites(self) -> list[tuple[str | None, int, str | None, str | None, int, str, int, int]]: ...
    @property
    def counts(self) -> AllocationCounts | None: ...
    @property
    def counting(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> AllocationCounts: ...
    def call(self, function: Callable[..., _Returned], /, *args: Any, **kwargs: Any) -> _Returned:
        """Call a function, counting from its start to its end; return what it returns."""
    def send(self, generator: object, value: object, /) -> tuple[bool, Any]:
        """Run a generator or coroutine to its next stop, counting; return whether it has ended, and what it gave."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

# ---- order book: native/bind/order_book.cpp, book_snapshot.cpp, book_opening.cpp, book_updates.cpp

BOOK_LEVEL_DTYPE: Final[np.dtype[np.void]]

@type_check_only
class _BookFigures:
    @property
    def symbol(self) -> str:
        """The symbol of the book."""
    @property
    def depth(self) -> int:
        """How many levels a side can have."""
    @property
    def version(self) -> int:
        """How many changes the book had published; a snapshot with a higher one is newer."""
    @property
    def best_bid(self) -> float:
        """The highest bid; NaN if there is none."""
    @property
    def best_bid_quantity(self) -> int:
        """The quantity at the best bid; 0 if there is none."""
    @property
    def best_ask(self) -> float:
        """The lowest ask; NaN if there is none."""
    @property
    def best_ask_quantity(self) -> int:
        """The quantity at the best ask; 0 if there is none."""
    @property
    def spread(self) -> float:
        """Best ask minus best bid, negative while the book is crossed; NaN if a side is empty."""
    @property
    def mid(self) -> float:
        """The middle of best bid and ask; NaN if a side is empty."""
    @property
    def micro_price(self) -> float:
        """The mid weighted by the opposite side's quantity: (bid * Qa + ask * Qb) / (Qa + Qb); NaN if a side is empty.

        Gatheral and Oomen (Finance and Stochastics 14, 2010) call this the micro-price, as most do. Stoikov
        (Quantitative Finance 18, 2018) calls it the weighted mid, and micro-price a model fitted to data, which this
        is not.
        """
    @property
    def crossed(self) -> bool:
        """Whether the best bid is above the best ask."""
    @property
    def locked(self) -> bool:
        """Whether the best bid equals the best ask."""
    def imbalance(self, levels: SupportsIndex = 1) -> float:
        """Return (Qb - Qa) / (Qb + Qa), Q being the sum of the quantities on a side's first levels.

        From Gould and Bonart, "Queue imbalance as a one-tick-ahead price predictor in a limit order book" (2016).

        Args:
            levels: How many levels of each side count, 1 or more.

        Returns:
            From -1 (asks only) to 1 (bids only); NaN if both sides are empty.

        Raises:
            InvalidTypeError: `levels` is not an int.
            InvalidValueError: `levels` is below 1.
        """

@final
class BookSnapshot(_BookFigures):
    """A consistent copy of an order book; made by OrderBook.snapshot()."""

    @property
    def bids(self) -> npt.NDArray[np.void]:
        """The bid levels, best first, as a read-only array (BOOK_LEVEL_DTYPE) over this snapshot's memory."""
    @property
    def asks(self) -> npt.NDArray[np.void]:
        """The ask levels, best first, as a read-only array (BOOK_LEVEL_DTYPE) over this snapshot's memory."""

@final
class OrderBook(_BookFigures):
    """The best price levels of one symbol, in this process: one writer, readers without a lock.

    Args:
        symbol: 1 to 63 bytes of UTF-8.
        depth: How many levels a side holds at most, 1 to 10,000.

    Raises:
        InvalidTypeError: `symbol` is not a str, or `depth` not an int.
        InvalidValueError: `symbol` is empty or too long, or `depth` is out of range.
    """

    def __new__(cls, symbol: str, depth: SupportsIndex = 10) -> OrderBook: ...
    @classmethod
    def create(cls, name: str, symbol: str, depth: SupportsIndex = 10) -> OrderBook:
        """Make a book in shared memory and become its writer, or take over one that has lost its writer.

        A book taken over is emptied in one update; who is attached to it sees it go on.

        Args:
            name: The name of the shared memory, 1 to 250 bytes without a slash.
            symbol: 1 to 63 bytes of UTF-8.
            depth: How many levels a side holds at most, 1 to 10,000.

        Raises:
            InvalidTypeError: An argument is not of its type.
            InvalidValueError: An argument is out of range, or the name holds a book of another symbol or depth.
            InvalidStateError: The book has a writer, or belongs to another user.
            DataError: The name holds something else, a damaged book, or one of another version.
            CapacityError: The system refused the memory.
        """
    @classmethod
    def attach(cls, name: str, /) -> OrderBook:
        """Open a book in shared memory for reading, whether its writer is there or not.

        Raises:
            InvalidTypeError: `name` is not a str.
            InvalidValueError: There is no shared memory of that name, or it cannot be a name.
            InvalidStateError: It belongs to another user.
            DataError: The name holds something else, a damaged book, or one of another version.
        """
    @classmethod
    def remove(cls, name: str, /) -> bool:
        """Remove a name of shared memory, whatever it holds, unless a writer uses it.

        Returns:
            Whether there was one.

        Raises:
            InvalidStateError: It has a writer.
        """
    @property
    def name(self) -> str | None:
        """The name of the shared memory; None if the book is in this process's own."""
    @property
    def updates(self) -> int:
        """How many updates were taken, with those that changed nothing."""
    @property
    def writable(self) -> bool:
        """Whether this object is the book's writer."""
    @property
    def has_writer(self) -> bool:
        """Whether the book has a writer now, here or in another process."""
    @property
    def closed(self) -> bool:
        """Whether the book was closed."""
    @property
    def bids(self) -> npt.NDArray[np.void]:
        """All bid rows as a read-only live array: they change with the book, also while they are read."""
    @property
    def asks(self) -> npt.NDArray[np.void]:
        """All ask rows as a read-only live array: they change with the book, also while they are read."""
    def update(self, side: SupportsIndex, price: SupportsFloat | SupportsIndex, quantity: SupportsIndex, /) -> None:
        """Set the quantity of a price level; 0 removes the level, and is nothing if there is none.

        Args:
            side: BUY for a bid, SELL for an ask.
            price: Any finite number.
            quantity: What the level has now, 0 to 2**63 - 1.

        Raises:
            InvalidTypeError: An argument is not a number of the right kind, or there are not three.
            InvalidValueError: An argument is out of range; the book is unchanged.
            InvalidStateError: This is not the book's writer, or the book is closed.
        """
    def apply(self, records: npt.NDArray[np.void], /) -> None:
        """Apply updates as one change: readers see all of them or none.

        Args:
            records: One dimension, with the fields `side`, `price` and `quantity`, such as BOOK_UPDATE_DTYPE.

        Raises:
            InvalidTypeError: It is not such an array, or a field would lose something as float64 or int64.
            InvalidValueError: A record is out of range; none is applied.
            InvalidStateError: This is not the book's writer, or the book is closed.
        """
    def clear(self) -> None:
        """Remove every level, as one change.

        Raises:
            InvalidStateError: This is not the book's writer, or the book is closed.
        """
    def snapshot(self, into: BookSnapshot | None = None) -> BookSnapshot:
        """Return a copy that was the book at one moment.

        Args:
            into: A snapshot of a book of the same depth to refill and return, so that nothing is allocated. If this
                raises InvalidStateError or DataError it is left empty.

        Raises:
            InvalidTypeError: `into` is not a snapshot.
            InvalidValueError: `into` has another depth.
            InvalidStateError: The book is closed, its writer died in the middle of an update, or no consistent copy
                could be had in a second.
            DataError: The shared memory was overwritten.
        """
    def unlink(self) -> None:
        """Remove the book's name, if it still has it; whoever has the book open keeps it.

        Raises:
            InvalidStateError: The book is not in shared memory, or is closed and has another writer.
        """
    def close(self) -> None:
        """Let go of the memory and of the writer's part; arrays that were taken stay valid."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

# ---- queues: native/bind/object_queues.cpp, record_queue.cpp, round_trips.cpp

_T = TypeVar("_T")
_U = TypeVar("_U")

@final
class SpscQueue(Generic[_T]):
    """A bounded queue of objects between one producer and one consumer.

    Args:
        capacity: How many objects there is room for, 1 to 2**32.
        wait: How push() and pop() wait: "spin", "yield" or "park".

    Raises:
        InvalidTypeError: The capacity is not an int.
        InvalidValueError: The capacity is out of range, or `wait` is unknown.
        CapacityError: The system refused the memory.
    """

    def __new__(cls, capacity: SupportsIndex, *, wait: Literal["spin", "yield", "park"] = "park") -> Self: ...
    def try_push(self, obj: _T, /) -> bool:
        """Push an object if there is room; tell whether.

        Raises:
            ClosedError: The queue is closed.
        """
    @overload
    def try_pop(self) -> _T | None:
        """Pop the oldest object, or return the default if there is none.

        Raises:
            ClosedError: The queue is closed and empty.
        """
    @overload
    def try_pop(self, default: _U) -> _T | _U: ...
    def push(self, obj: _T, /, timeout: float | None = None) -> None:
        """Push an object; wait for room, at most so many seconds.

        Args:
            obj: Any object.
            timeout: Seconds, 0 or more; None waits for ever.

        Raises:
            queue.Full: There was no room until the timeout.
            ClosedError: The queue is closed, perhaps meanwhile.
            InvalidTypeError: The timeout is neither a number nor None.
            InvalidValueError: The timeout is negative or not a number.
        """
    def pop(self, timeout: float | None = None) -> _T:
        """Pop the oldest object; wait for one, at most so many seconds.

        Args:
            timeout: Seconds, 0 or more; None waits for ever.

        Raises:
            queue.Empty: There was nothing until the timeout.
            ClosedError: The queue is closed and empty, perhaps meanwhile.
            InvalidTypeError: The timeout is neither a number nor None.
            InvalidValueError: The timeout is negative or not a number.
        """
    def push_many(self, objects: Iterable[_T], /) -> int:
        """Push the first of these objects, as many as fit; return how many.

        An iterable that is not a list or a tuple is read to its end first.

        Raises:
            ClosedError: The queue is closed.
            InvalidTypeError: The argument cannot be iterated.
        """
    def pop_many(self, max_items: SupportsIndex | None = None) -> list[_T]:
        """Pop the oldest objects, at most so many, all if None.

        Raises:
            ClosedError: The queue is closed and empty.
            InvalidTypeError: The number is not an int.
            InvalidValueError: The number is negative.
        """
    def close(self) -> None:
        """Refuse pushes from now on; what is there can still be popped. Wakes whoever waits."""
    @property
    def closed(self) -> bool:
        """Whether close() was called."""
    @property
    def capacity(self) -> int:
        """How many objects there is room for; None if there is no bound."""
    def __len__(self) -> int: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@final
class MpmcQueue(Generic[_T]):
    """A bounded queue of objects between any number of producers and consumers.

    Args:
        capacity: How many objects there is room for, 1 to 2**32.
        wait: How push() and pop() wait: "spin", "yield" or "park".

    Raises:
        InvalidTypeError: The capacity is not an int.
        InvalidValueError: The capacity is out of range, or `wait` is unknown.
        CapacityError: The system refused the memory.
    """

    def __new__(cls, capacity: SupportsIndex, *, wait: Literal["spin", "yield", "park"] = "park") -> Self: ...
    def try_push(self, obj: _T, /) -> bool:
        """Push an object if there is room; tell whether.

        Raises:
            ClosedError: The queue is closed.
        """
    @overload
    def try_pop(self) -> _T | None:
        """Pop the oldest object, or return the default if there is none.

        Raises:
            ClosedError: The queue is closed and empty.
        """
    @overload
    def try_pop(self, default: _U) -> _T | _U: ...
    def push(self, obj: _T, /, timeout: float | None = None) -> None:
        """Push an object; wait for room, at most so many seconds.

        Args:
            obj: Any object.
            timeout: Seconds, 0 or more; None waits for ever.

        Raises:
            queue.Full: There was no room until the timeout.
            ClosedError: The queue is closed, perhaps meanwhile.
            InvalidTypeError: The timeout is neither a number nor None.
            InvalidValueError: The timeout is negative or not a number.
        """
    def pop(self, timeout: float | None = None) -> _T:
        """Pop the oldest object; wait for one, at most so many seconds.

        Args:
            timeout: Seconds, 0 or more; None waits for ever.

        Raises:
            queue.Empty: There was nothing until the timeout.
            ClosedError: The queue is closed and empty, perhaps meanwhile.
            InvalidTypeError: The timeout is neither a number nor None.
            InvalidValueError: The timeout is negative or not a number.
        """
    def push_many(self, objects: Iterable[_T], /) -> int:
        """Push the first of these objects, as many as fit; return how many.

        An iterable that is not a list or a tuple is read to its end first.

        Raises:
            ClosedError: The queue is closed.
            InvalidTypeError: The argument cannot be iterated.
        """
    def pop_many(self, max_items: SupportsIndex | None = None) -> list[_T]:
        """Pop the oldest objects, at most so many, all if None.

        Raises:
            ClosedError: The queue is closed and empty.
            InvalidTypeError: The number is not an int.
            InvalidValueError: The number is negative.
        """
    def close(self) -> None:
        """Refuse pushes from now on; what is there can still be popped. Wakes whoever waits."""
    @property
    def closed(self) -> bool:
        """Whether close() was called."""
    @property
    def capacity(self) -> int:
        """How many objects there is room for; None if there is no bound."""
    def __len__(self) -> int: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@final
class UnboundedQueue(Generic[_T]):
    """A queue of objects that grows, between any number of producers and consumers.

    Args:
        wait: How push() and pop() wait: "spin", "yield" or "park".

    Raises:
        InvalidValueError: `wait` is unknown.
        CapacityError: The system refused the memory.
    """

    def __new__(cls, *, wait: Literal["spin", "yield", "park"] = "park") -> Self: ...
    def try_push(self, obj: _T, /) -> bool:
        """Push an object if there is room; tell whether.

        Raises:
            ClosedError: The queue is closed.
            CapacityError: The system refused memory for another segment.
        """
    @overload
    def try_pop(self) -> _T | None:
        """Pop the oldest object, or return the default if there is none.

        Raises:
            ClosedError: The queue is closed and empty.
        """
    @overload
    def try_pop(self, default: _U) -> _T | _U: ...
    def push(self, obj: _T, /, timeout: float | None = None) -> None:
        """Push an object; wait for room, at most so many seconds.

        Args:
            obj: Any object.
            timeout: Seconds, 0 or more; None waits for ever.

        Raises:
            queue.Full: There was no room until the timeout.
            ClosedError: The queue is closed, perhaps meanwhile.
            CapacityError: The system refused memory for another segment.
            InvalidTypeError: The timeout is neither a number nor None.
            InvalidValueError: The timeout is negative or not a number.
        """
    def pop(self, timeout: float | None = None) -> _T:
        """Pop the oldest object; wait for one, at most so many seconds.

        Args:
            timeout: Seconds, 0 or more; None waits for ever.

        Raises:
            queue.Empty: There was nothing until the timeout.
            ClosedError: The queue is closed and empty, perhaps meanwhile.
            InvalidTypeError: The timeout is neither a number nor None.
            InvalidValueError: The timeout is negative or not a number.
        """
    def push_many(self, objects: Iterable[_T], /) -> int:
        """Push the first of these objects, as many as fit; return how many.

        An iterable that is not a list or a tuple is read to its end first.

        Raises:
            ClosedError: The queue is closed.
            InvalidTypeError: The argument cannot be iterated.
            CapacityError: The system refused memory for another segment.
        """
    def pop_many(self, max_items: SupportsIndex | None = None) -> list[_T]:
        """Pop the oldest objects, at most so many, all if None.

        Raises:
            ClosedError: The queue is closed and empty.
            InvalidTypeError: The number is not an int.
            InvalidValueError: The number is negative.
        """
    def close(self) -> None:
        """Refuse pushes from now on; what is there can still be popped. Wakes whoever waits."""
    @property
    def closed(self) -> bool:
        """Whether close() was called."""
    @property
    def capacity(self) -> None:
        """How many objects there is room for; None if there is no bound."""
    def __len__(self) -> int: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@final
class RecordQueue:
    """A bounded queue of rows of a structured dtype, copied by value.

    Args:
        dtype: A structured dtype without Python objects.
        capacity: How many records there is room for, 1 to 2**32.
        wait: How push() and pop() wait: "spin", "yield" or "park".

    Raises:
        InvalidTypeError: The dtype has no fields or holds objects, or the capacity is not an int.
        InvalidValueError: The capacity is out of range, or `wait` is unknown.
        CapacityError: The system refused the memory.
    """

    def __new__(
        cls, dtype: npt.DTypeLike, capacity: SupportsIndex, *, wait: Literal["spin", "yield", "park"] = "park"
    ) -> Self: ...
    def try_push(self, record: np.void | tuple[Any, ...], /) -> bool:
        """Push a record if there is room; tell whether.

        Args:
            record: A row of an array of the queue's dtype, or a tuple of its fields, which takes longer.

        Raises:
            ClosedError: The queue is closed.
            InvalidTypeError: It is neither, or a row of another dtype.
            InvalidValueError: The tuple does not fit the dtype.
        """
    @overload
    def try_pop(self) -> np.void | None:
        """Pop the oldest record, a copy, or return the default if there is none.

        Raises:
            ClosedError: The queue is closed and empty.
        """
    @overload
    def try_pop(self, default: _U) -> np.void | _U: ...
    def push(self, record: np.void | tuple[Any, ...], /, timeout: float | None = None) -> None:
        """Push a record as try_push() does; wait for room, at most so many seconds.

        Raises:
            queue.Full: There was no room until the timeout.
            ClosedError: The queue is closed, perhaps meanwhile.
            InvalidTypeError: As try_push(), or the timeout is neither a number nor None.
            InvalidValueError: As try_push(), or the timeout is negative or not a number.
        """
    def pop(self, timeout: float | None = None) -> np.void:
        """Pop the oldest record, a copy; wait for one, at most so many seconds.

        Raises:
            queue.Empty: There was nothing until the timeout.
            ClosedError: The queue is closed and empty, perhaps meanwhile.
            InvalidTypeError: The timeout is neither a number nor None.
            InvalidValueError: The timeout is negative or not a number.
        """
    def push_many(self, records: npt.NDArray[np.void], /) -> int:
        """Push the first of these rows, as many as fit; return how many.

        Args:
            records: One dimension, of the queue's dtype; rows may lie apart.

        Raises:
            ClosedError: The queue is closed.
            InvalidTypeError: It is not an array, or has another dtype.
            InvalidValueError: It has more or fewer dimensions than one.
        """
    def pop_many(
        self, max_items: SupportsIndex | None = None, out: npt.NDArray[np.void] | None = None
    ) -> npt.NDArray[np.void]:
        """Pop the oldest records, at most so many, all if None.

        Args:
            max_items: The most to pop.
            out: Where to put them, contiguous and of the queue's dtype; what is returned is its beginning.

        Raises:
            ClosedError: The queue is closed and empty.
            InvalidTypeError: The number is not an int, or `out` is not an array of the queue's dtype.
            InvalidValueError: The number is negative, or `out` cannot be filled in one piece.
        """
    def close(self) -> None:
        """Refuse pushes from now on; what is there can still be popped. Wakes whoever waits."""
    @property
    def closed(self) -> bool:
        """Whether close() was called."""
    @property
    def capacity(self) -> int:
        """How many records there is room for."""
    @property
    def dtype(self) -> np.dtype[np.void]:
        """The dtype of the records."""
    def __len__(self) -> int: ...

_Channel: TypeAlias = Literal["cache_line", "spsc", "mpmc", "unbounded", "mutex", "condition"]

@final
class Echo:
    """A native thread, pinned to another CPU, that sends back what it receives.

    Args:
        kind: What the two threads talk through: a bare cache line, one of the rings, a queue behind a mutex that is
            looked at again and again, or one with a condition variable.
        cpu: The CPU of the other thread; None for one that this thread does not run on now.

    Raises:
        InvalidValueError: The kind is unknown, or the CPU is not ours to use.
        UnsupportedError: There is no second CPU.
        CapacityError: No thread can be started.
    """

    def __new__(cls, kind: _Channel, cpu: int | None = None) -> Self: ...
    def trip(self) -> None:
        """Send a number to the other thread and wait until it is back, holding the GIL.

        Raises:
            ClosedError: The echo is closed.
        """
    def close(self) -> None:
        """End the other thread."""
    @property
    def cpu(self) -> int:
        """The CPU that the other thread is pinned to."""

def round_trips(kind: _Channel, count: int, cpu: int, echo_cpu: int, /) -> npt.NDArray[np.uint64]: ...

# ---- shared ring: native/bind/shared_ring*.cpp

@final
class SharedRing:
    """A ring of fixed-size records that processes share: see latencykit.engine.shared_ring."""

    @classmethod
    def create(cls, name: str, dtype: npt.DTypeLike, capacity: SupportsIndex, *, producers: SupportsIndex = 1) -> Self:
        """Make a ring under a name that is free.

        Args:
            name: The name of the shared memory: 1 to 250 bytes without a slash.
            dtype: What a record is: fixed in size, up to 1 MiB, and without Python objects.
            capacity: How many records fit, for each producer, 1 to 2**32; the memory is that of the next power of two.
            producers: How many producers there may be at a time, 1 to 64.

        Raises:
            InvalidStateError: The name is taken.
            InvalidValueError: An argument is out of its range.
            InvalidTypeError: The dtype cannot be shared, or an argument has another type.
            CapacityError: There is not as much shared memory.
        """

    @classmethod
    def attach(cls, name: str, dtype: npt.DTypeLike | None = None) -> Self:
        """Join the ring of this name.

        Args:
            name: The name that it was created under.
            dtype: What its records must be, if this is to be checked.

        Raises:
            InvalidValueError: There is no such shared memory.
            InvalidTypeError: The ring's records have another dtype.
            DataError: The memory holds something else than a ring, one of another version, or a damaged one.
        """

    @classmethod
    def remove(cls, name: str, /) -> bool:
        """Free a name, whatever it leads to; whether there was one.

        Raises:
            InvalidStateError: The ring has a producer or a consumer.
        """

    def push(self, records: npt.ArrayLike, timeout: float | None = 0) -> int:
        """Push records; return how many were taken.

        Args:
            records: A row of records of the ring's dtype, or one record. A contiguous array is not copied before.
            timeout: Seconds to wait until all fit; 0 to take what fits now, None to wait for ever. An exception of a
                signal's handler (Ctrl-C) ends the wait, and some of the records may be in.

        Raises:
            InvalidTypeError: The records have another dtype.
            InvalidStateError: The ring has its producers already, this object is closed or inherited by a fork, or the
                consumer went while this waited and no record was taken; its ClosedError if it had not died.
            DataError: Another process damaged the ring.
        """

    def pop(
        self,
        max_records: SupportsIndex | None = None,
        out: npt.NDArray[Any] | None = None,
        timeout: float | None = 0,
    ) -> npt.NDArray[Any]:
        """Pop records, oldest first for each producer.

        Args:
            max_records: How many at most; all that are there (and fit into `out`) if None.
            out: A contiguous array of the ring's dtype to fill, at least `max_records` long.
            timeout: Seconds to wait for the first record; 0 not to wait, None to wait for ever.

        Returns:
            A new array of the records, or the part of `out` that was filled; it may be empty.

        Raises:
            InvalidTypeError: `out` is no array of the ring's dtype.
            InvalidValueError: An argument is out of its range.
            InvalidStateError: The ring has a consumer already, this object is closed or inherited by a fork, or the
                last producer went while this waited; its ClosedError if it had not died.
            DataError: Another process damaged the ring.
        """

    def close(self) -> None:
        """Leave the ring, which others may go on using; a second call does nothing."""

    def unlink(self) -> None:
        """Free the ring's name; who has the ring keeps it."""

    @property
    def name(self) -> str:
        """The name of the shared memory."""
    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of a record."""
    @property
    def capacity(self) -> int:
        """How many records fit, for each producer."""
    @property
    def max_producers(self) -> int:
        """How many producers there may be at a time."""
    @property
    def producers(self) -> int:
        """How many producers there are now, here and in other processes."""
    @property
    def has_consumer(self) -> bool:
        """Whether there is a consumer now, here or in another process."""
    @property
    def closed(self) -> bool:
        """Whether this object was closed."""
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

def shared_ring_echo(to: SharedRing, from_: SharedRing, count: int, cpu: int, /) -> None:
    """Push each of so many records that come from one ring to the other, spinning on this CPU without the GIL.

    Raises:
        InvalidValueError: The CPU is not ours, or the rings differ in the size of their records.
        InvalidStateError: The other side is gone.
    """

def shared_ring_round_trips(to: SharedRing, from_: SharedRing, count: int, cpu: int, /) -> npt.NDArray[np.uint64]:
    """Send so many records to an echo, one after the other, spinning on this CPU without the GIL.

    Returns:
        The ticks of the time stamp counter that each trip took.

    Raises:
        InvalidValueError: The CPU is not ours, or the rings differ in the size of their records.
        InvalidStateError: The other side is gone.
        DataError: A record came back that was not sent.
    """

@disjoint_base
class EngineCore:
    """The native half of an engine; latencykit.engine.Engine is what is to be used."""

    def __new__(
        cls,
        settings: dict[str, object],
        detector: PanicDetector,
        arena: OrderArena,
        stages: tuple[Histogram, ...],
        strategy: Callable[[int, int, float, float], Signal | None] | None = None,
        *,
        journal: int = -1,
        journal_path: bytes = b"",
        journal_head: bytes = b"",
    ) -> Self: ...
    def on_tick(
        self,
        timestamp_ns: SupportsIndex,
        price: SupportsFloat,
        volume: SupportsFloat,
        symbol: SupportsIndex = 0,
        bid: SupportsFloat = ...,
        ask: SupportsFloat = ...,
        /,
    ) -> Order | None: ...
    def _run(self, ticks: NDArray[np.void], /) -> int: ...
    def _run_paced(
        self, ticks: NDArray[np.void], begin: SupportsIndex, interval: SupportsFloat, responses: Histogram, /
    ) -> int: ...
    def _counts(self) -> tuple[int, int, int, int, int, int, int, int, float]: ...
    def _feed_counts(self) -> tuple[tuple[str, int, int, int], ...]: ...
    def _events(self) -> bytes: ...
    def _quote(self, symbol: SupportsIndex, /) -> tuple[int, float, float, float | None, float | None] | None: ...
    def _indicators(self, symbol: SupportsIndex, /) -> tuple[float, float, float, float]: ...
    def position(self, symbol: SupportsIndex, /) -> int: ...
    def _health(self) -> tuple[bool, int, float]: ...
    def _journal_state(self) -> tuple[int, int, int, int] | None: ...
    def kill(self) -> None: ...
    def rearm(self) -> None: ...
    def drain(self) -> None: ...
    def flush(self) -> None: ...
    def _close(self) -> None: ...
    @property
    def killed(self) -> bool: ...
    @property
    def stopped(self) -> tuple[int, str] | None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def _failures(self) -> tuple[int, int, BaseException | None]: ...
    @property
    def _halted(self) -> bool: ...
    @property
    def _sample_floor_ns(self) -> float: ...
