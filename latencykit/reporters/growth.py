"""The growth of times with a parameter as the lines that a person reads, every figure as text."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from latencykit.model import Growth, operation_name
from latencykit.reporters.rows import NONE

# Beyond, a number is written with separators: 1000, but 10,000.
_GROUPED_FROM = 10_000
_MOST = 1e6


class GrowthLine(NamedTuple):
    """One variant: what a larger parameter costs, the fitted exponent, and the range that was measured."""

    variant: str
    step: str
    exponent: str
    range: str


@dataclass(frozen=True, slots=True)
class GrowthBlock:
    """What is shown of one component: a title, its lines under headings, and what they mean."""

    title: str
    headings: GrowthLine
    lines: Sequence[GrowthLine]
    legend: str

    def layout(self, width: int) -> list[str]:
        """Return the headings and the lines in columns; a name that does not fit beside its figures is above them."""
        rows = [self.headings, *self.lines]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        stacked = sum(widths) + 2 * (len(widths) - 1) > width
        lines = []
        for name, step, exponent, values in rows:
            figures = f"{step.rjust(widths[1])}  {exponent.ljust(widths[2])}  {values}".rstrip()
            if stacked:
                lines += [name, f"  {figures}"]
            else:
                lines.append(f"{name.ljust(widths[0])}  {figures}")
        return lines


def growth_blocks(growths: Iterable[Growth]) -> list[GrowthBlock]:
    """Return a block for each component, in the order of the growths."""
    by_component = itertools.groupby(growths, key=lambda growth: (growth.component, growth.parameter))
    return [_block(component, parameter, list(group)) for (component, parameter), group in by_component]


def _block(component: str, parameter: str, growths: Sequence[Growth]) -> GrowthBlock:
    # Nothing is said of a factor that is wider than what was measured.
    fitted = [growth for growth in growths if growth.exponent is not None]
    narrow = any(growth.low and growth.high and growth.high / growth.low < 10 for growth in fitted)
    factor = 2 if narrow else 10
    legend = [f"exponent: time grows as {parameter} to this power; 1 is in proportion, 0 not at all."]
    if any(growth.power_law is False for growth in growths):
        legend.append("uneven: no one exponent fits, for example as small sizes are all overhead;")
        legend.append("last: as in the step between the two largest.")
    if len(fitted) < len(growths):
        legend.append("n/a: too few sizes that can be told from an empty call.")
    return GrowthBlock(
        title=f"growth of {component} with {parameter}",
        headings=GrowthLine("variant", f"time at {factor} × {parameter}", "exponent (95 %)", parameter),
        lines=[_line(growth, factor) for growth in growths],
        legend=" ".join(legend),
    )


def _line(growth: Growth, factor: int) -> GrowthLine:
    variant = operation_name(growth.component, growth.variant, growth.parameters).removeprefix(f"{growth.component}/")
    if growth.exponent is None or growth.last_exponent is None or growth.interval is None:
        return GrowthLine(variant, "n/a", NONE, _range(growth))
    low, high = growth.interval
    even = growth.power_law
    step = _times(factor, growth.exponent) if even else f"uneven, last {_times(factor, growth.last_exponent)}"
    exponent = f"{_plain(growth.exponent)} ({_plain(low)} to {_plain(high)})"
    return GrowthLine(variant, step, exponent, _range(growth))


def _times(factor: int, exponent: float) -> str:
    if abs(exponent) >= 100:  # two sizes next to each other, and no figure that would mean anything
        return NONE
    times = factor**exponent
    return f"{times:,.0f} ×" if 99.95 <= times < _MOST else f"{times:#.3g} ×"


def _plain(exponent: float) -> str:
    return f"{exponent:.2f}".replace("-0.00", "0.00") if abs(exponent) < 1000 else f"{exponent:.3g}"


def _range(growth: Growth) -> str:
    if growth.low is None or growth.high is None:
        return NONE
    if growth.low == growth.high:
        return _number(growth.low)
    return f"{_number(growth.low)} to {_number(growth.high)}"


def _number(value: float) -> str:
    if value != int(value):
        return f"{value:g}"
    return f"{int(value):,}" if _GROUPED_FROM <= value < 1e15 else f"{value:g}" if value >= 1e15 else f"{int(value)}"
