"""Types of the native module, kept true to it by stubtest."""

from typing import Any, Final, Literal, final

import numpy as np
import numpy.typing as npt

# ---- Indicators (bind/indicators.cpp)

ISA: Final[str]
ISAS: Final[tuple[str, ...]]

def ema(
    x: npt.ArrayLike,
    period: int | None = None,
    *,
    alpha: float | None = None,
    seed: Literal["first", "sma"] = "first",
    out: npt.NDArray[Any] | None = None,
    isa: str | None = None,
) -> npt.NDArray[Any]: ...
@final
class Ema:
    def __new__(
        cls, period: int | None = None, *, alpha: float | None = None, seed: Literal["first", "sma"] = "first"
    ) -> Ema: ...
    def update(self, value: float, /) -> float: ...
    @property
    def value(self) -> float: ...
    @property
    def alpha(self) -> float: ...
