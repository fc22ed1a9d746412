"""Frozen data that flows from the runner to the reports, and the fixed schema of a run on file.

The field names are those of the JSON schema ``latencykit.run/1``; every duration is in nanoseconds.
"""

from typing import Any, Literal

import msgspec

from latencykit.environment import Environment
from latencykit.errors import DataError, InvalidValueError
from latencykit.units import parse_duration_ns

SCHEMA = "latencykit.run/1"

Mode = Literal["per_call", "batched", "open_loop", "cold", "first_call"]
TargetVerdictWord = Literal["met", "missed", "inconclusive"]
Fitness = Literal["fit", "noisy", "unfit"]

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


class Target(msgspec.Struct, frozen=True):
    """Declare the latency that an operation must stay under.

    Args:
        statistic: One of p50, p90, p99, p999.
        limit: The limit as text with a unit (``"100ns"``) or as nanoseconds, greater than 0.
        claimed: What is said to be usual today, as text with a unit; shown beside the measured baseline.

    Raises:
        InvalidValueError: The statistic is unknown, or a duration cannot be parsed.
    """

    statistic: str
    limit: str | float
    claimed: str | None = None

    def __post_init__(self) -> None:
        if self.statistic not in QUANTILES:
            raise InvalidValueError(f"target statistic {self.statistic!r} is not one of {', '.join(QUANTILES)}")
        parse_duration_ns(self.limit)
        if self.claimed is not None:
            parse_duration_ns(self.claimed)

    @property
    def limit_ns(self) -> float:
        """The limit in nanoseconds."""
        return parse_duration_ns(self.limit)

    @property
    def claimed_ns(self) -> float | None:
        """The claimed usual figure in nanoseconds, if there is one."""
        return None if self.claimed is None else parse_duration_ns(self.claimed)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Declare what is said of a practice, to be shown beside what its variants were measured to differ by.

    Args:
        text: What is claimed, without the figure: ``"pinning saves"``.
        worse: The variant without the practice.
        better: The variant with it.
        saves: The least and the most that is claimed to be saved an operation, as text with units; the second is None
            for "and more".
        times: The least and the most factor that is claimed, above 0; the second is None for "and more".
        parameters: The parameter values that the claim is about; those left out may have any value.

    Raises:
        InvalidValueError: Not one of `saves` and `times` is given, a duration cannot be parsed, or a range is reversed.
    """

    text: str
    worse: str
    better: str
    saves: tuple[str, str | None] | None = None
    times: tuple[float, float | None] | None = None
    parameters: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if (self.saves is None) == (self.times is None):
            raise InvalidValueError(f"claim {self.text!r} needs either saves= or times=, and not both")
        low, high = self.range
        if low <= 0 or (high is not None and high < low):
            raise InvalidValueError(f"claim {self.text!r} has the range {low:g} to {high}; give the lower one first")

    @property
    def range(self) -> tuple[float, float | None]:
        """The claimed range, in nanoseconds or as factors."""
        if self.times is not None:
            return self.times
        low, high = self.saves or ("", None)
        return parse_duration_ns(low), None if high is None else parse_duration_ns(high)


class ClaimCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A claim beside what was measured; in nanoseconds saved an operation, or as a factor.

    `measured` is the difference or the ratio of the two medians over batches; None is that one of them is missing or,
    for a factor, not to be told from an empty call.
    """

    text: str
    worse: str
    better: str
    unit: Literal["ns", "times"]
    low: float
    high: float | None
    measured: float | None


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """How a variant's time grows with a parameter: as a power of it, fitted to the p50s net of the floor.

    `exponent` and what follows from it are None where fewer than 3 values of the parameter were measured above the
    floor.

    Attributes:
        component: The component.
        variant: The variant.
        parameter: The name of the parameter that grows.
        parameters: The values of the other parameters, which the fit holds fixed.
        points: How many values of the parameter the fit uses.
        low: The least of them, None if there are none.
        high: The greatest of them.
        exponent: The fitted exponent: 1 is time in proportion to the parameter, 0 time that does not depend on it.
        interval: A 95 % interval of the exponent, from the scatter of the points around the fitted line.
        power_law: Whether one exponent fits all steps from one value to the next.
        last_exponent: The exponent of the last step alone, between the two greatest values.
    """

    component: str
    variant: str
    parameter: str
    parameters: dict[str, Any] = {}
    points: int
    low: float | None = None
    high: float | None = None
    exponent: float | None = None
    interval: tuple[float, float] | None = None
    power_law: bool | None = None
    last_exponent: float | None = None


class TargetVerdict(msgspec.Struct, frozen=True):
    """A target and how the measured figure stands against it."""

    statistic: str
    limit_ns: float
    verdict: TargetVerdictWord
    reason: str = ""
    claimed_ns: float | None = None


class AllocationVerdict(msgspec.Struct, frozen=True):
    """How many allocations a call may make, and whether it kept to that."""

    limit: float
    verdict: TargetVerdictWord
    reason: str = ""


class Samples(msgspec.Struct, frozen=True):
    """What the runner measured of one operation in one mode: gross, unjudged.

    ``batch_ns`` holds the gross duration of each batch of ``batch_size`` calls (batched mode only);
    ``histogram`` holds the gross durations of single calls (per-call) or of whole batches (batched).
    ``input_rows`` is how many rows of arguments the calls take in turn.
    """

    component: str
    variant: str
    parameters: dict[str, Any]
    mode: Mode
    count: int
    batch_size: int
    floor_ns: float
    resolution_ns: float
    histogram: str
    batch_ns: list[float] = []
    allocations_per_op: float | None = None
    allocations: dict[str, float] = {}
    gc: str = "off"
    input_rows: int = 1


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a run: one operation in one mode, net of its floor and judged against its target.

    Where it has several targets, `targets` holds them all, and `target` is the one that it did worst on.
    """

    component: str
    variant: str
    baseline: bool
    parameters: dict[str, Any] = {}
    mode: Mode
    corrected: bool = False
    count: int
    batch_size: int = 1
    input_rows: int = 1
    gc: str = "off"
    floor_ns: float
    resolution_ns: float
    min_ns: float
    p50_ns: float | None
    p90_ns: float | None = None
    p99_ns: float | None = None
    p999_ns: float | None = None
    max_ns: float | None = None
    mean_ns: float
    p50_interval_ns: tuple[float, float] | None = None
    histogram: str
    allocations_per_op: float | None = None
    allocations: dict[str, float] = {}
    cache_hit_rate: float | None = None
    speedup_vs_baseline: float | None = None
    target: TargetVerdict | None = None
    targets: list[TargetVerdict] = []
    allocation_target: AllocationVerdict | None = None

    @property
    def name(self) -> str:
        """The operation's one name: ``component/variant[key=value]``."""
        return operation_name(self.component, self.variant, self.parameters)


class Failure(msgspec.Struct, frozen=True):
    """An operation that could not be measured, and why, in a sentence.

    A peer whose package is not installed, and what this machine cannot do, is only `skipped`.
    """

    component: str
    variant: str
    parameters: dict[str, Any]
    reason: str
    detail: str = ""
    skipped: bool = False


class MeterReading(msgspec.Struct, frozen=True, kw_only=True):
    """One spin of the machine meter; ``cpu`` is -1 where threads cannot be pinned."""

    cpu: int
    observed_ns: int
    lost_ns: int
    count: int
    longest_ns: int
    threshold_ns: int


class Hiccups(msgspec.Struct, frozen=True, kw_only=True):
    """Time that the machine took away from a spinning core, over all meter windows of a run."""

    windows: int = 0
    observed_ns: int = 0
    lost_ns: int = 0
    count: int = 0
    longest_ns: int = 0
    threshold_ns: int = 0
    per_cpu: dict[str, float] = {}


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the machine was fit for measuring while the run was made."""

    verdict: Fitness
    stolen_ratio: float
    hiccups: Hiccups


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run, as stored on file; `components` says what one operation of each component is."""

    schema: str = SCHEMA
    id: str
    started_at: str
    argv: list[str]
    environment: Environment
    validity: Validity
    results: list[Result]
    failures: list[Failure] = []
    claims: list[ClaimCheck] = []
    growth: list[Growth] = []
    components: dict[str, str] = {}
    complete: bool = True


def operation_name(component: str, variant: str, parameters: dict[str, Any]) -> str:
    """Return an operation's one name, ``component/variant[key=value,...]``."""
    inside = ",".join(f"{key}={value}" for key, value in parameters.items())
    return f"{component}/{variant}[{inside}]" if inside else f"{component}/{variant}"


def encode_run(run: Run) -> bytes:
    """Encode a run as indented JSON of schema ``latencykit.run/1``."""
    return msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n"


def decode_run(data: bytes, name: str = "run") -> Run:
    """Decode and validate a run.

    Args:
        data: JSON text.
        name: What to call the input in an error, usually the file's path.

    Raises:
        DataError: The text is not JSON, or not a run of this schema version.
    """
    try:
        run = msgspec.json.decode(data, type=Run)
    except msgspec.MsgspecError as error:
        raise DataError(f"{name} is not a latencykit run: {error}") from error
    if run.schema != SCHEMA:
        raise DataError(f"{name} has schema {run.schema!r}; this version reads {SCHEMA!r}")
    return run
