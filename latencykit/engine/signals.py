"""What a strategy says and what it says it with: checked prices and confidences, signals, the panic detector.

`PanicDetector` and `Signal` are the native types themselves: no Python frame stands between a tick and its
decision.
"""

import math
from typing import Self

from latencykit._core import PanicDetector, Signal
from latencykit.errors import InvalidTypeError, InvalidValueError

__all__ = ["Confidence", "PanicDetector", "Price", "Signal"]


class Price(float):
    """A price: a float that is finite and greater than 0; arithmetic on it gives plain floats.

    Args:
        value: The price in the market's currency, a number or its text.

    Raises:
        InvalidTypeError: The value is neither a number nor text.
        InvalidValueError: It is not finite and greater than 0.
    """

    __slots__ = ()

    def __new__(cls, value: float | str) -> Self:
        """Check the value and make the price."""
        price = super().__new__(cls, _number("price", value))
        if not 0 < price < math.inf:
            raise InvalidValueError(f"price is {value!r}; it must be finite and greater than 0")
        return price


class Confidence(float):
    """How sure a strategy is: a float within 0 and 1; arithmetic on it gives plain floats.

    Args:
        value: The confidence as a fraction, a number or its text.

    Raises:
        InvalidTypeError: The value is neither a number nor text.
        InvalidValueError: It is not within 0 and 1.
    """

    __slots__ = ()

    def __new__(cls, value: float | str) -> Self:
        """Check the value and make the confidence."""
        confidence = super().__new__(cls, _number("confidence", value))
        if not 0 <= confidence <= 1:
            raise InvalidValueError(f"confidence is {value!r}; it must be within 0 and 1")
        return confidence


def _number(name: str, value: float | str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidValueError(f"{name} is {value!r}; pass a number") from None
    except TypeError:
        raise InvalidTypeError(f"{name} must be a number, not {value!r}") from None
