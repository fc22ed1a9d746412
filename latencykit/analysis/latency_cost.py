"""What latency costs: the profit of a strategy's entries as a function of how late they are.

Everything is taken from rows that are there. An order that is late by some delay is filled at the price of its
symbol's first row at or after the signal's time plus the delay; nothing is interpolated, and the order moves no price.
Each trade is long, and ends by one rule whatever the delay, at levels and a deadline that the signal fixed: at the
take-profit itself, by a limit order that rests there, as soon as a row is at or above it; at the price of the first
row at or below the stop; else at the price of the first row at or after the deadline, or of the last row there is.
Where the late price is at or beyond the take-profit or the stop, or there is none before the deadline, there is no
trade, and its profit is 0.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from numpy.typing import ArrayLike

from latencykit.analysis.entry_trades import Entry, Outcome, SymbolRows, Trade
from latencykit.analysis.growth import student_t
from latencykit.errors import InvalidValueError

Interval: TypeAlias = tuple[float, float]

# The delays of the mission's argument: at once, a fast engine, a network, a page, and people.
DELAYS_NS: Final = (0, 1_000_000, 100_000_000, 1_000_000_000, 5_000_000_000, 60_000_000_000)
LONGEST_HOLDING_NS: Final = 1_800_000_000_000  # half an hour
# Beyond, Student's t is the normal distribution to four digits.
_MOST_FREEDOM: Final = 10_000


@dataclass(frozen=True, slots=True)
class DelayCost:
    """What a delay makes of all signals. Intervals are of 95 %, None for fewer than two signals.

    Attributes:
        delay_ns: The delay.
        resolved: Whether the feed's rows come closer together than the delay, so that it can tell what it did.
        waited_ns: The median time from a signal to the row whose price was taken; None if there never was one.
        percent: Mean profit per signal, in % of the price of entry.
        percent_interval: Of that mean.
        per_share: Mean profit per signal and share.
        per_share_interval: Of that mean.
        lost_percent: By how much `percent` is below that of the first delay.
        lost_interval: Of that difference, which is paired by signal.
        beyond: The share of the signals whose late price was at or above the take-profit already, in 0..1.
        outcomes: How many signals ended in which way.
    """

    delay_ns: int
    resolved: bool
    waited_ns: float | None
    percent: float
    percent_interval: Interval | None
    per_share: float
    per_share_interval: Interval | None
    lost_percent: float
    lost_interval: Interval | None
    beyond: float
    outcomes: dict[Outcome, int]


@dataclass(frozen=True, slots=True)
class LatencyCost:
    """The profit per signal as a function of the delay.

    Attributes:
        signals: How many signals that is of.
        spacing_ns: The median time between a symbol's rows; None if no symbol has two.
        longest_holding_ns: From the signal to the deadline.
        delays: One for each delay, the shortest first.
    """

    signals: int
    spacing_ns: float | None
    longest_holding_ns: int
    delays: tuple[DelayCost, ...]


def latency_cost(
    timestamp_ns: ArrayLike,
    price: ArrayLike,
    entries: Sequence[Entry],
    *,
    symbol: ArrayLike | None = None,
    delays_ns: Sequence[int] = DELAYS_NS,
    longest_holding_ns: int = LONGEST_HOLDING_NS,
) -> LatencyCost:
    """Return what each delay of the entry makes of the profit.

    Args:
        timestamp_ns: The time of each row; of one symbol's rows, none before the one above it.
        price: The price of each row, finite and above 0.
        entries: The signals, at least one.
        symbol: The number of each row's instrument; None if there is but one.
        delays_ns: Delays, at least 0; what is lost is told against the shortest.
        longest_holding_ns: From the signal to the deadline of its trade, above 0.

    Returns:
        The means, with intervals by Student's t over the signals. Signals that are close together share what the
        market did, so that the true intervals are wider than these.

    Raises:
        InvalidValueError: The rows, the entries or the delays are not as they should be.
    """
    rows = SymbolRows(timestamp_ns, price, symbol)
    delays = sorted(set(delays_ns))
    _check(rows, entries, delays, longest_holding_ns)
    by_delay: list[list[Trade]] = [[] for _ in delays]
    for entry in entries:
        for trades, trade in zip(by_delay, rows.trades(entry, delays, longest_holding_ns), strict=True):
            trades.append(trade)
    spacing_ns = rows.spacing_ns()
    return LatencyCost(
        signals=len(entries),
        spacing_ns=spacing_ns,
        longest_holding_ns=longest_holding_ns,
        delays=tuple(
            _summary(delay, trades, by_delay[0], spacing_ns) for delay, trades in zip(delays, by_delay, strict=True)
        ),
    )


def _check(rows: SymbolRows, entries: Sequence[Entry], delays: Sequence[int], longest_holding_ns: int) -> None:
    if not entries:
        raise InvalidValueError("there are no entries; latency costs nothing where nothing is traded")
    if not delays or delays[0] < 0:
        raise InvalidValueError(f"delays {list(delays)} are none; pass nanoseconds of at least 0")
    if longest_holding_ns <= 0:
        raise InvalidValueError(f"longest_holding_ns {longest_holding_ns} is not above 0; pass nanoseconds")
    for entry in entries:
        if not 0 <= entry.row < rows.count:
            raise InvalidValueError(
                f"entry at row {entry.row} is none of the {rows.count} rows; pass the feed it came from"
            )
        if not 0 <= entry.stop < entry.take_profit < math.inf:
            raise InvalidValueError(
                f"entry at row {entry.row} has stop {entry.stop} and take-profit {entry.take_profit}; "
                "the stop must be below the take-profit"
            )


def _summary(delay: int, trades: Sequence[Trade], first: Sequence[Trade], spacing_ns: float | None) -> DelayCost:
    waited = [trade.waited_ns for trade in trades if trade.waited_ns is not None]
    outcomes: dict[Outcome, int] = {}
    for trade in trades:
        outcomes[trade.outcome] = outcomes.get(trade.outcome, 0) + 1
    percent, percent_interval = _mean([trade.percent for trade in trades])
    per_share, per_share_interval = _mean([trade.per_share for trade in trades])
    lost, lost_interval = _mean([one.percent - trade.percent for one, trade in zip(first, trades, strict=True)])
    return DelayCost(
        delay_ns=delay,
        resolved=delay == 0 or (spacing_ns is not None and delay >= spacing_ns),
        waited_ns=statistics.median(waited) if waited else None,
        percent=percent,
        percent_interval=percent_interval,
        per_share=per_share,
        per_share_interval=per_share_interval,
        lost_percent=lost,
        lost_interval=lost_interval,
        beyond=outcomes.get("beyond", 0) / len(trades),
        outcomes=outcomes,
    )


def _mean(values: Sequence[float]) -> tuple[float, Interval | None]:
    """Return the mean, and its 95 % interval by Student's t."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, None
    reach = student_t(min(len(values) - 1, _MOST_FREEDOM)) * statistics.stdev(values) / math.sqrt(len(values))
    return mean, (mean - reach, mean + reach)
