"""Frozen data of comparisons: what the sampler took, what was made of it, and the schema of a comparison on file.

The field names are those of the JSON schema ``latencykit.compare/1``; every duration is in nanoseconds.
"""

from typing import Any, Literal

import msgspec

from latencykit.environment import Environment
from latencykit.model import Mode, Validity

SCHEMA = "latencykit.compare/1"

ComparisonVerdict = Literal["slower", "faster", "same", "inconclusive"]
Interval = tuple[float, float]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of each operation, taken one right after the other, and of the empty operations of their shapes.

    A sample is several timings of a batch of calls; each is gross and per call.
    """

    a_ns: list[float]
    b_ns: list[float]
    a_floor_ns: float
    b_floor_ns: float


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Two pairs, one in each order, and gross histograms of single calls that were taken in turns after them."""

    pairs: tuple[Pair, Pair]
    a_calls: str
    b_calls: str


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How one operation was sampled.

    Attributes:
        name: The operation's one name.
        batch_size: Calls in a batch.
        resolution_ns: Step of the clock that single calls are read from.
        call_floor_ns: Median of single calls of the empty operation.
    """

    name: str
    batch_size: int
    resolution_ns: float
    call_floor_ns: float


class PairSamples(msgspec.Struct, frozen=True, kw_only=True):
    """All that was sampled of a pair of operations up to a look."""

    a: Shape
    b: Shape
    blocks: list[Block]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One operation's own figures, net of its floor: p50 from batches, the higher ones from single calls.

    Attributes:
        count: Single calls in the histogram.
        floor_ns: What an empty call takes, in batches; taken off p50.
        call_floor_ns: What an empty call takes when it is timed alone; taken off the higher percentiles.
        samples_ns: The samples that the ratio is of: for each pair, the fastest of its timings.
        histogram: Gross single calls, HdrHistogram V2 in base64.
    """

    name: str
    count: int
    batch_size: int
    floor_ns: float
    call_floor_ns: float | None
    resolution_ns: float
    p50_ns: float | None
    p90_ns: float | None
    p99_ns: float | None
    p999_ns: float | None
    samples_ns: list[float] = []
    histogram: str = ""


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """The ratio of a high percentile, b over a: shown, never decisive."""

    statistic: str
    ratio: float
    interval: Interval | None
    level: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of operations and which of them is faster.

    Attributes:
        component: The component of both; empty for functions of the user.
        parameters: The values of the parameters that both have.
        a: The variant, or the function, that is the ratio's base.
        b: What is held against it.
        ratio: b over a, None where neither can be told from an empty call or there are too few pairs.
        interval: Covers the true ratio with a probability of at least `level`.
        level: Of this interval, such that all those of one command hold together with 99 %.
        reason: Why the verdict is inconclusive; else empty.
        remarks: What else the reader should know of this pair.
        pairs: How many pairs were taken; 0 for runs on file.
        mode: What the ratio is of: batches, or single calls in one of the modes of a run on file.
    """

    component: str
    parameters: dict[str, Any] = {}
    a: str
    b: str
    mode: Mode = "batched"
    statistic: str = "p50"
    ratio: float | None
    interval: Interval | None
    level: float
    verdict: ComparisonVerdict
    reason: str = ""
    remarks: list[str] = []
    tail: Tail | None = None
    pairs: int = 0
    a_figures: Figures
    b_figures: Figures


class ComparisonFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A pair that could not be compared, and why, in a sentence.

    `operation` is the name of the one of the two that failed, empty where that cannot be told. What needs a package
    that is not installed, and what this machine cannot do, is only `skipped`.
    """

    component: str
    parameters: dict[str, Any] = {}
    a: str
    b: str
    operation: str = ""
    reason: str
    detail: str = ""
    skipped: bool = False


class SavedRun(msgspec.Struct, frozen=True, kw_only=True):
    """Which run on file a side comes from."""

    path: str
    id: str
    started_at: str
    fingerprint: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All comparisons of one command, as stored on file.

    Attributes:
        kind: ``interleaved``: measured now, in turns. ``saved``: from two runs, each of which was measured at its time.
        environment: The machine; for runs on file that of the second.
        warnings: What holds for all comparisons.
    """

    schema: str = SCHEMA
    id: str
    started_at: str
    argv: list[str]
    kind: Literal["interleaved", "saved"] = "interleaved"
    environment: Environment
    validity: Validity
    comparisons: list[Comparison]
    failures: list[ComparisonFailure] = []
    warnings: list[str] = []
    base: SavedRun | None = None
    head: SavedRun | None = None
    complete: bool = True


def encode_report(report: Report) -> bytes:
    """Encode comparisons as indented JSON of schema ``latencykit.compare/1``."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
