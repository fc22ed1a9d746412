"""Every batch indicator with what it takes, so that one test holds for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from latencykit.engine import indicators

Arrays = tuple[npt.NDArray[Any], ...]


@dataclass(frozen=True)
class Indicator:
    """A function, the names of its inputs, its number of outputs, and settings short enough for small series."""

    function: Callable[..., Any]
    inputs: tuple[str, ...]
    outputs: int
    settings: dict[str, Any]

    def __call__(self, inputs: Arrays, **keywords: Any) -> Any:
        return self.function(*inputs, **{**self.settings, **keywords})

    def inputs_of(self, shape: int | tuple[int, ...], dtype: Any = np.float64) -> Arrays:
        """Make inputs that are fit for prices and volumes, each with its own values."""
        random = np.random.default_rng(1)
        return tuple(random.uniform(50, 150, shape).astype(dtype) for _ in self.inputs)

    def empty_out(self, like: npt.NDArray[Any]) -> Any:
        """Make what `out` takes."""
        return np.empty_like(like) if self.outputs == 1 else tuple(np.empty_like(like) for _ in range(self.outputs))


def as_tuple(result: Any) -> Arrays:
    """Give the arrays of a result."""
    return result if isinstance(result, tuple) else (result,)


def same(a: Any, b: Any) -> bool:
    """Whether two results are equal to the last bit, NaN at the same places."""
    return len(as_tuple(a)) == len(as_tuple(b)) and all(
        p.dtype == q.dtype and np.array_equal(p, q, equal_nan=True)
        for p, q in zip(as_tuple(a), as_tuple(b), strict=True)
    )


X = ("x",)
INDICATORS = {
    "ema": Indicator(indicators.ema, X, 1, {"period": 5}),
    "sma": Indicator(indicators.sma, X, 1, {"period": 5}),
    "rsi": Indicator(indicators.rsi, X, 1, {"period": 5}),
    "macd": Indicator(indicators.macd, X, 3, {"fast": 3, "slow": 6, "signal": 4}),
    "bollinger": Indicator(indicators.bollinger, X, 3, {"period": 5}),
    "atr": Indicator(indicators.atr, ("high", "low", "close"), 1, {"period": 5}),
    "vwap": Indicator(indicators.vwap, ("price", "volume"), 1, {"period": 5}),
    "vwap_cumulative": Indicator(indicators.vwap, ("price", "volume"), 1, {}),
    "rolling_std": Indicator(indicators.rolling_std, X, 1, {"period": 5}),
    "rolling_min": Indicator(indicators.rolling_min, X, 1, {"period": 5}),
    "rolling_max": Indicator(indicators.rolling_max, X, 1, {"period": 5}),
    "zscore": Indicator(indicators.zscore, X, 1, {"period": 5}),
}
SEVERAL = [name for name, indicator in INDICATORS.items() if len(indicator.inputs) > 1]
TUPLES = [name for name, indicator in INDICATORS.items() if indicator.outputs > 1]
