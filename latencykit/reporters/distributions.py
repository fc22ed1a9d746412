"""Two distributions as two lines of columns over one axis, in characters."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

from latencykit.comparison import Figures
from latencykit.histogram import decode
from latencykit.reporters.rows import plain_ns

HEIGHTS = "▁▂▃▄▅▆▇█"
# Single calls are read in steps of the clock: shorter than so many steps, they make a comb and not a shape.
_STEPS = 20
# What lies farther out than this share of either sample is not drawn, or a single hiccup would take all the room.
_CUT = 0.001
# An axis that spans more than this factor is logarithmic.
_LOGARITHMIC_FROM = 3.0
# A mark on the axis needs so many columns.
_MARK_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """Lines of one width: the columns of both, and the axis below them; `of` says what was drawn."""

    of: str
    a: str
    b: str
    axis: str


@dataclass(frozen=True, slots=True)
class _Sample:
    """Sorted values with their counts, each spread over a step of the clock."""

    values: Sequence[float]
    counts: Sequence[int]
    step_ns: float

    def quantile(self, share: float) -> float:
        """Return the value below which this share lies."""
        wanted, total = share * sum(self.counts), 0
        for value, count in zip(self.values, self.counts, strict=True):
            total += count
            if total >= wanted:
                return value
        return self.values[-1]


def picture_of(a: Figures, b: Figures, columns: int) -> Picture | None:
    """Draw the times of both operations, net of their floors.

    Args:
        a: The first operation.
        b: The second.
        columns: The width, at least 20.

    Returns:
        Single calls, or the samples that the ratio is of where single calls are too short to draw; None where there is
        nothing to draw.
    """
    short = min(_centre(a), _centre(b)) < _STEPS * max(a.resolution_ns, b.resolution_ns)
    samples_kept = bool(a.samples_ns and b.samples_ns)
    of_samples = samples_kept and (short or not (a.histogram and b.histogram))
    samples = [_of_samples(x) if of_samples else _of_calls(x) for x in (a, b)]
    if not all(sample is not None and sample.values for sample in samples):
        return None
    return _draw([s for s in samples if s is not None], columns, "samples" if of_samples else "single calls")


def _centre(figures: Figures) -> float:
    return figures.p50_ns or 0.0


def _of_samples(figures: Figures) -> _Sample:
    values = sorted(value for value in figures.samples_ns if value > 0)
    return _Sample(values, [1] * len(values), figures.resolution_ns / figures.batch_size)


def _of_calls(figures: Figures) -> _Sample | None:
    if not figures.histogram or figures.call_floor_ns is None:
        return None
    net = [(value - figures.call_floor_ns, count) for value, count in decode(figures.histogram).iter_recorded()]
    above = [(value, count) for value, count in net if value > 0]
    return _Sample([value for value, _ in above], [count for _, count in above], figures.resolution_ns)


def _draw(samples: Sequence[_Sample], columns: int, of: str) -> Picture:
    low = min(sample.quantile(_CUT) for sample in samples)
    high = max(sample.quantile(1 - _CUT) for sample in samples)
    low, high = low * 0.98, max(high * 1.02, low * 1.02)
    logarithmic = high / low > _LOGARITHMIC_FROM
    edges = [_at(low, high, column / columns, logarithmic=logarithmic) for column in range(columns + 1)]
    a, b = (_heights(_density(sample, edges)) for sample in samples)
    return Picture(of, a, b, _axis(edges))


def _at(low: float, high: float, share: float, *, logarithmic: bool) -> float:
    return low * (high / low) ** share if logarithmic else low + (high - low) * share


def _density(sample: _Sample, edges: Sequence[float]) -> list[float]:
    """Return how much of the sample falls between each two edges, each value spread over a step of the clock."""
    found = [0.0] * (len(edges) - 1)
    for value, count in zip(sample.values, sample.counts, strict=True):
        begin, end = value - sample.step_ns / 2, value + sample.step_ns / 2
        column = max(0, bisect.bisect_right(edges, begin) - 1)
        while column < len(found) and edges[column] < end:
            overlap = min(end, edges[column + 1]) - max(begin, edges[column])
            found[column] += count * max(0.0, overlap) / (end - begin)
            column += 1
    return found


def _heights(density: Sequence[float]) -> str:
    """Return a character for each column, each line to its own scale; what is rare is drawn low and not left out."""
    most = max(density, default=0.0)
    if most <= 0:
        return " " * len(density)
    return "".join(
        HEIGHTS[min(len(HEIGHTS) - 1, math.floor(len(HEIGHTS) * value / most))] if value > most * 1e-4 else " "
        for value in density
    )


def _axis(edges: Sequence[float]) -> str:
    """Return marks with their times, as many as find room."""
    columns = len(edges) - 1
    line = ""
    for column in range(0, columns - _MARK_COLUMNS // 2, _MARK_COLUMNS):
        line = f"{line.ljust(column)}|{plain_ns(edges[column])}"
    return line[:columns]
