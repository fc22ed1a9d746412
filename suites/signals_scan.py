"""Component `signals_scan`: a series of ticks to its signals, tick by tick from Python and in one native call."""

from typing import TYPE_CHECKING

import latencykit as lk

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from latencykit.suite import Operation

    Series = npt.NDArray[np.float64]

scans = lk.Component(
    "signals_scan",
    baseline="update",
    parameters={"ticks": [100, 1_000, 10_000, 100_000]},
    growth="ticks",
    doc="so many ticks to their signals",
    on_request=True,
)


def series(ticks: int) -> "tuple[Series, Series]":
    """Return prices and volumes of the market, over again where it is too short."""
    import numpy as np

    market = lk.market()
    return np.resize(market.price, ticks), np.resize(market.volume, ticks)


@scans.variant
def update(ticks: int) -> "Callable[[], object]":
    from latencykit.engine import PanicDetector

    detector = PanicDetector()
    rows = list(zip(*(column.tolist() for column in series(ticks)), strict=True))

    def signals() -> object:
        update = detector.update
        return [signal for price, volume in rows if (signal := update(price, volume)) is not None]

    return signals


@scans.variant
def scan(ticks: int) -> "Operation":
    from latencykit.engine import PanicDetector

    return lk.call(PanicDetector().scan, *series(ticks))
