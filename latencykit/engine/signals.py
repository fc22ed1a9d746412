"""What a strategy says and what it says it with: checked prices and confidences, signals, the panic detector.

`PanicDetector` and `Signal` are the native types themselves: no Python frame stands between a tick and its
decision.
"""

import math
from decimal import Decimal
from numbers import Real
from typing import Self, SupportsFloat, SupportsIndex, TypeAlias

from latencykit._core import PanicDetector, Signal
from latencykit.errors import InvalidTypeError, InvalidValueError

__all__ = ["Confidence", "PanicDetector", "Price", "Signal"]

Number: TypeAlias = SupportsFloat | SupportsIndex | str


class Price(float):
    """A price: a float that is finite and greater than 0; arithmetic on it gives plain floats.

    Args:
        value: The price in the market's currency: a number (int, float, NumPy scalar, Fraction, Decimal) or text as
            `float` reads it. A bool, bytes and an array of one are not numbers here.

    Raises:
        InvalidTypeError: The value is neither a number nor text.
        InvalidValueError: It is not finite and greater than 0.
    """

    __slots__ = ()

    def __new__(cls, value: Number) -> Self:
        """Check the value and make the price."""
        price = super().__new__(cls, _number("price", value))
        if not 0 < price < math.inf:
            raise InvalidValueError(f"price is {value!r}; it must be finite and greater than 0")
        return price


class Confidence(float):
    """How sure a strategy is: a float within 0 and 1; arithmetic on it gives plain floats.

    Args:
        value: The confidence as a fraction: a number or text, as for `Price`.

    Raises:
        InvalidTypeError: The value is neither a number nor text.
        InvalidValueError: It is not within 0 and 1.
    """

    __slots__ = ()

    def __new__(cls, value: Number) -> Self:
        """Check the value and make the confidence."""
        confidence = super().__new__(cls, _number("confidence", value))
        if not 0 <= confidence <= 1:
            raise InvalidValueError(f"confidence is {value!r}; it must be within 0 and 1")
        return confidence


def _number(name: str, value: Number) -> float:
    # float() also reads bytes, a bool and an array of one: each is more likely a mistake than a price.
    if isinstance(value, bool) or not isinstance(value, float | str | Real | Decimal):
        raise InvalidTypeError(f"{name} must be a number or its text, not {value!r}")
    try:
        return float(value)
    except ValueError:
        raise InvalidValueError(f"{name} is {value!r}; pass a number") from None
    except OverflowError:  # Not shown: more digits than a message, or repr, can take.
        raise InvalidValueError(f"{name} is too large for a float; pass a finite number") from None
