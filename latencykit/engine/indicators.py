"""Technical indicators, each over whole arrays and as a streaming class of the same meaning.

Everything here is the native function or type itself: no Python frame stands between a call and its kernel. A
function takes one series, or many of equal length as the rows of a two-dimensional array. `bind` fixes a call's
arguments for repeated calls on the same arrays.

The kernels exist once per instruction set; `ISA` is the one chosen at import, the fastest of `ISAS`, those
that this CPU can run. The environment variable ``LATENCYKIT_ISA`` chooses another for the whole process, the
argument `isa` for one call.
"""

from latencykit._core import (
    ISA,
    ISAS,
    Atr,
    Bollinger,
    Bound,
    Ema,
    Macd,
    RollingMax,
    RollingMin,
    RollingStd,
    Rsi,
    Sma,
    Vwap,
    Zscore,
    atr,
    bind,
    bollinger,
    ema,
    macd,
    rolling_max,
    rolling_min,
    rolling_std,
    rsi,
    sma,
    vwap,
    zscore,
)

__all__ = [
    "ISA", "ISAS", "Atr", "Bollinger", "Bound", "Ema", "Macd", "RollingMax", "RollingMin", "RollingStd", "Rsi", "Sma",
    "Vwap", "Zscore", "atr", "bind", "bollinger", "ema", "macd", "rolling_max", "rolling_min", "rolling_std", "rsi",
    "sma", "vwap", "zscore",
]  # fmt: skip
