"""Price, Confidence and Signal: what they take, what they refuse, what is left of them after a journey."""

import copy
import math
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from latencykit.engine import Confidence, Price, Signal
from latencykit.errors import InvalidTypeError, InvalidValueError


@pytest.mark.parametrize("value", [5e-324, 100, "12.5", np.float64(3), 1.7e308])
def test_price(value: float | str) -> None:
    assert Price(value) == float(value)
    assert isinstance(Price(value), float)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "free", 0.0, -0.0])
def test_price_out_of_range(value: float | str) -> None:
    with pytest.raises(InvalidValueError, match=f"price is {value!r}"):
        Price(value)


@pytest.mark.parametrize("value", [0, 1, 0.5, "0.25"])
def test_confidence(value: float | str) -> None:
    assert Confidence(value) == float(value)


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf, "sure"])
def test_confidence_out_of_range(value: float | str) -> None:
    with pytest.raises(InvalidValueError, match=f"confidence is {value!r}"):
        Confidence(value)


@pytest.mark.parametrize("kind", [Price, Confidence])
def test_what_is_no_number(kind: type[float]) -> None:
    with pytest.raises(InvalidTypeError, match="None"):
        kind(None)  # type: ignore[arg-type]


SIGNAL = Signal(100.0, 0.75, 101.5, 99.25, 2007)


def test_signal_says_what_it_is() -> None:
    assert (SIGNAL.kind, SIGNAL.price, SIGNAL.confidence) == ("panic", 100.0, 0.75)
    assert (SIGNAL.take_profit, SIGNAL.stop, SIGNAL.index) == (101.5, 99.25, 2007)
    assert eval(repr(SIGNAL)) == SIGNAL


def test_signals_compare_by_value() -> None:
    same = Signal(price=100.0, confidence=0.75, take_profit=101.5, stop=99.25, index=2007, kind="panic")
    assert same == SIGNAL
    assert hash(same) == hash(SIGNAL)
    for other in (
        Signal(101.0, 0.75, 101.5, 99.25, 2007),
        Signal(100.0, 0.5, 101.5, 99.25, 2007),
        Signal(100.0, 0.75, 102.5, 99.25, 2007),
        Signal(100.0, 0.75, 101.5, 99.0, 2007),
        Signal(100.0, 0.75, 101.5, 99.25, 2008),
        Signal(100.0, 0.75, 101.5, 99.25, 2007, "mine"),
        (100.0, 0.75, 101.5, 99.25, 2007, "panic"),
    ):
        assert other != SIGNAL
    with pytest.raises(TypeError):
        same < SIGNAL  # type: ignore[operator]  # noqa: B015


def test_signals_can_be_copied_and_pickled() -> None:
    assert copy.copy(SIGNAL) == SIGNAL
    assert pickle.loads(pickle.dumps(SIGNAL)) == SIGNAL


@pytest.mark.parametrize("name", ["kind", "price", "confidence", "take_profit", "stop", "index"])
def test_signals_are_read_only(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(SIGNAL, name, getattr(SIGNAL, name))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("price", -1.0),
        ("price", math.nan),
        ("confidence", 1.5),
        ("take_profit", 0.0),
        ("stop", math.inf),
        ("index", -1),
    ],
)
def test_signal_out_of_range(name: str, value: float) -> None:
    valid = {"price": 1.0, "confidence": 0.5, "take_profit": 1.01, "stop": 0.99, "index": 0}
    with pytest.raises(InvalidValueError, match=f"{name} is {value!r}"):
        Signal(**{**valid, name: value})  # type: ignore[arg-type]


# ---- Values that float() would take or trip over


class Shy(float):
    """A float whose text must not be asked for."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("kind", [Price, Confidence])
@pytest.mark.parametrize(
    "value",
    [True, np.True_, b"0.5", bytearray(b"0.5"), memoryview(b"1"), np.array([0.5]), np.array(0.5), [0.5], 0.5 + 0j],
    ids=repr,
)
def test_what_is_probably_a_mistake_is_no_number(kind: type[float], value: float) -> None:
    with pytest.raises(InvalidTypeError, match="must be a number or its text"):
        kind(value)


@pytest.mark.parametrize("kind", [Price, Confidence])
@pytest.mark.parametrize("value", [Decimal("0.5"), Fraction(1, 2), np.float32(0.5), np.longdouble(0.5), " 0.5\n"])
def test_every_real_number_is_taken(kind: type[float], value: float) -> None:
    made = kind(value)
    assert made == 0.5
    assert type(made) is kind


@pytest.mark.parametrize("kind", [Price, Confidence])
def test_nobody_asks_a_good_value_for_its_text(kind: type[float]) -> None:
    assert type(kind(Shy(0.5))) is kind


def test_numpy_integers_are_taken() -> None:
    assert Price(np.int64(7)) == 7.0
    assert Confidence(np.uint8(1)) == 1.0


@pytest.mark.parametrize("kind", [Price, Confidence])
@pytest.mark.parametrize("value", [10**400, -(10**400), 10**5000, Fraction(10**400, 3)], ids=lambda value: "large")
def test_numbers_beyond_floats_are_refused_without_their_digits(kind: type[float], value: float) -> None:
    with pytest.raises(InvalidValueError, match="too large for a float") as refused:
        kind(value)
    assert len(str(refused.value)) < 100


@pytest.mark.parametrize("kind", [Price, Confidence])
@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), np.float64("nan"), "nan"])
def test_what_is_no_finite_number_is_refused(kind: type[float], value: float) -> None:
    with pytest.raises(InvalidValueError):
        kind(value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [Price(670.25), Confidence(0.25)])
def test_checked_values_can_be_pickled(value: float, protocol: int) -> None:
    for again in (pickle.loads(pickle.dumps(value, protocol)), copy.deepcopy(value)):
        assert again == value
        assert type(again) is type(value)


def test_arithmetic_gives_plain_floats() -> None:
    price, confidence = Price(3), Confidence(0.5)
    for result in (price - 5, -price, abs(price), price * confidence, 1 + confidence, price // 2, +price, price**2):
        assert type(result) is float
    assert sum([price, price]) == 6.0
    with pytest.raises(InvalidValueError, match=r"price is -2\.0"):
        Price(price - 5)


def test_other_ways_to_make_one_check_as_well() -> None:
    assert type(Price.fromhex("0x1p1")) is Price
    with pytest.raises(InvalidValueError, match=r"price is -2\.0"):
        Price.fromhex("-0x1p1")
    with pytest.raises(InvalidValueError, match="confidence is nan"):
        Confidence.fromhex("nan")


@pytest.mark.parametrize("value", [Price(1), Confidence(1)])
def test_checked_values_hold_nothing_else(value: float) -> None:
    assert not hasattr(value, "__dict__")
    assert hash(value) == hash(1.0)
    assert {1.0: "one"}[value] == "one"


@pytest.mark.parametrize(
    "arguments", [(10**400, 0.5, 1.0, 1.0, 0), (1.0, 0.5, 1.0, 1.0, 10**30)], ids=["price", "index"]
)
def test_a_signal_of_numbers_too_large(arguments: tuple[float, float, float, float, int]) -> None:
    with pytest.raises(InvalidValueError, match="a number given to Signal is too large"):
        Signal(*arguments)
