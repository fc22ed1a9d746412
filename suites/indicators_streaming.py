"""Component `indicators_streaming`: one value, bar or trade into a streaming indicator, and its figure out."""

from typing import TYPE_CHECKING, NamedTuple

import latencykit as lk

from . import _naive_streams
from ._indicators import PERIOD, WILDER, bars, prices, volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from latencykit.suite import Operation


class Stream(NamedTuple):
    """An indicator's class name, its settings, and the columns that it takes."""

    kind: str
    settings: tuple[int, ...] = (PERIOD,)
    columns: "Callable[[], tuple[Sequence[float], ...]]" = lambda: (prices().tolist(),)


def bar_columns() -> "tuple[Sequence[float], ...]":
    return tuple(column.tolist() for column in bars())


def trade_columns() -> "tuple[Sequence[float], ...]":
    return prices().tolist(), volumes().tolist()


STREAMS = {
    "ema": Stream("Ema"),
    "sma": Stream("Sma"),
    "rsi": Stream("Rsi", (WILDER,)),
    "macd": Stream("Macd", (12, 26, 9)),
    "bollinger": Stream("Bollinger"),
    "atr": Stream("Atr", (WILDER,), bar_columns),
    "vwap": Stream("Vwap", (), trade_columns),
    "rolling_std": Stream("RollingStd"),
    "rolling_min": Stream("RollingMin"),
    "rolling_max": Stream("RollingMax"),
    "zscore": Stream("Zscore"),
}

streaming = lk.Component(
    "indicators_streaming",
    baseline="naive",
    parameters={"indicator": list(STREAMS)},
    doc="update() of a streaming indicator with its next row",
    on_request=True,
)


def replayed(module: "ModuleType", indicator: str) -> "Operation":
    """Replay the market's rows into an indicator of a module."""
    stream = STREAMS[indicator]
    made = getattr(module, stream.kind)(*stream.settings)
    return lk.replay(made.update, list(zip(*stream.columns(), strict=True)))


@streaming.variant
def naive(indicator: str) -> "Operation":
    return replayed(_naive_streams, indicator)


@streaming.variant
def native(indicator: str) -> "Operation":
    from latencykit.engine import indicators

    return replayed(indicators, indicator)
