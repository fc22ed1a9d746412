"""What latency costs as the lines that a person reads: a table, and a chart of the same figures."""

from typing import Final

from latencykit.analysis.entry_trades import Outcome
from latencykit.analysis.latency_cost import DelayCost, Interval, LatencyCost
from latencykit.reporters.blocks import TextBlock, TextColumn, text_table
from latencykit.reporters.rows import NONE, NOT_AVAILABLE, plain_ns

_WIDEST_CHART: Final = 100
_OUTCOMES: Final[dict[Outcome, str]] = {
    "take_profit": "take-profit",
    "stop": "stop",
    "deadline": "deadline",
    "end": "end of the feed",
    "beyond": "beyond the take-profit",
    "below": "below the stop",
    "late": "too late",
}


def cost_block(cost: LatencyCost, width: int) -> TextBlock:
    """Lay out what latency costs.

    Args:
        cost: What was found.
        width: Columns to keep to, at least 80.
    """
    return TextBlock(
        title=f"what latency costs: profit per signal by the delay of the entry, {_signals(cost)}",
        tables=_tables(cost, width),
        chart=_chart(cost, min(width, _WIDEST_CHART)),
        legend=_legend(cost),
    )


def _tables(cost: LatencyCost, width: int) -> tuple[tuple[str, ...], ...]:
    """Return one table where it fits, else two."""
    delay = TextColumn[DelayCost]("delay", _delay, left=True)
    waited = TextColumn[DelayCost](
        "taken after", lambda one: NOT_AVAILABLE if one.waited_ns is None else _time(one.waited_ns)
    )
    percent = TextColumn[DelayCost]("profit % (95 %)", lambda one: _with(one.percent, one.percent_interval))
    per_share = TextColumn[DelayCost]("per share (95 %)", lambda one: _with(one.per_share, one.per_share_interval))
    lost = TextColumn[DelayCost](
        "lost % (95 %)", lambda one: NONE if one is cost.delays[0] else _with(one.lost_percent, one.lost_interval)
    )
    beyond = TextColumn[DelayCost]("beyond", lambda one: f"{one.beyond:.0%}".replace("%", " %"))
    ended = TextColumn[DelayCost]("ended", _outcomes, left=True)
    whole = text_table(cost.delays, [delay, waited, percent, per_share, lost, beyond, ended])
    if max(map(len, whole)) <= width:
        return (whole,)
    return (
        text_table(cost.delays, [delay, waited, percent, lost, beyond]),
        text_table(cost.delays, [delay, per_share, ended]),
    )


def _chart(cost: LatencyCost, width: int) -> tuple[str, ...]:
    """Return a line for each delay, the mean and its interval on a common scale, and the scale below."""
    labels = [_delay(one) for one in cost.delays]
    margin = max(map(len, labels)) + 2
    ranges = [one.percent_interval or (one.percent, one.percent) for one in cost.delays]
    low, high = min(0.0, *(low for low, _ in ranges)), max(0.0, *(high for _, high in ranges))
    scale = _Scale(low, high, width - margin)
    lines = [
        f"{label.ljust(margin)}{scale.bar(one.percent, interval)}".rstrip()
        for label, one, interval in zip(labels, cost.delays, ranges, strict=True)
    ]
    return (*lines, f"{' ' * margin}{scale.axis()}")


class _Scale:
    """Places on a line for the values from low to high, 0 among them."""

    def __init__(self, low: float, high: float, width: int) -> None:
        self._low, self._high, self._last = low, high, width - 1
        self._range = (high - low) or 1.0

    def _at(self, value: float) -> int:
        return round((value - self._low) / self._range * self._last)

    def bar(self, mean: float, interval: Interval) -> str:
        line = [" "] * (self._last + 1)
        line[self._at(0.0)] = "│"
        first, last = self._at(interval[0]), self._at(interval[1])
        line[first : last + 1] = "─" * (last + 1 - first)
        line[self._at(mean)] = "●"
        return "".join(line)

    def axis(self) -> str:
        low, high = _number(self._low), _number(self._high)
        if self._low == self._high:
            return low
        line = low.ljust(self._last + 1 - len(high)) + high
        zero = self._at(0.0)
        return f"{line[:zero]}0{line[zero + 1 :]}" if line[max(0, zero - 1) : zero + 2].isspace() else line


def _legend(cost: LatencyCost) -> tuple[str, ...]:
    lines = [
        "Means per signal, 0 where there was no trade: late price beyond the take-profit, below the stop, or too late. "
        f"Intervals: Student's t over {_signals(cost)}, taken as independent; ● mean, ─ interval, │ no profit.",
        f"Filled at the first row at or after the delay; sold at the take-profit, the stop, or after "
        f"{_time(cost.longest_holding_ns)} at the then price; no fees, no market impact.",
    ]
    if not all(one.resolved for one in cost.delays):
        apart = "fewer than two rows of a symbol" if cost.spacing_ns is None else f"rows {_time(cost.spacing_ns)} apart"
        lines.append(
            f"* not resolved by this feed, which has {apart} (median): the next row's price is taken, as if it had "
            "been the price at the delay; nothing is interpolated."
        )
    return tuple(lines)


def _signals(cost: LatencyCost) -> str:
    return f"{cost.signals:,} signal{'' if cost.signals == 1 else 's'}"


def _delay(one: DelayCost) -> str:
    return ("none" if one.delay_ns == 0 else _time(one.delay_ns)) + ("" if one.resolved else " *")


def _time(ns: float) -> str:
    return "0" if ns == 0 else plain_ns(ns)


def _outcomes(one: DelayCost) -> str:
    return ", ".join(f"{one.outcomes[kind]} {text}" for kind, text in _OUTCOMES.items() if kind in one.outcomes)


def _with(value: float, interval: Interval | None) -> str:
    if interval is None:
        return f"{_number(value)} ({NOT_AVAILABLE})"
    return f"{_number(value)} ({_number(interval[0])} to {_number(interval[1])})"


def _number(value: float) -> str:
    """Return a number to a thousandth, or where it is large to four digits."""
    if abs(value) >= 1e6:
        return f"{value:.3g}"
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    return f"{value:,.{digits}f}".replace("-0.000", "0.000")
