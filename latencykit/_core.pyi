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

# ---- Signals (bind/panic_detector.cpp)

@final
class Signal:
    def __new__(
        cls, price: float, confidence: float, take_profit: float, stop: float, index: int, kind: str = "panic"
    ) -> Signal: ...
    @property
    def kind(self) -> str: ...
    @property
    def price(self) -> float: ...
    @property
    def confidence(self) -> float: ...
    @property
    def take_profit(self) -> float: ...
    @property
    def stop(self) -> float: ...
    @property
    def index(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Signal], tuple[float, float, float, float, int, str]]: ...

@final
class PanicDetector:
    def __new__(
        cls,
        window: int = 100,
        *,
        horizon: int = 30,
        fall_deviations: float = 4.0,
        least_fall: float = 0.005,
        volume_ratio: float = 2.5,
        rsi_period: int = 14,
        oversold: float = 30.0,
        refractory: int = 100,
    ) -> PanicDetector: ...
    def update(self, price: float, volume: float, /) -> Signal | None: ...
    def scan(self, prices: npt.ArrayLike, volumes: npt.ArrayLike, /) -> list[Signal]: ...
    @property
    def ticks(self) -> int: ...
    @property
    def volatility(self) -> float: ...
    @property
    def rsi(self) -> float: ...
