import os
import subprocess
import sys

import numpy as np
import pytest

from latencykit.engine import indicators
from latencykit.errors import InvalidTypeError, InvalidValueError, UnsupportedError

PRICES = np.array([10.0, 11.0, 12.0, 11.0, 10.0])


@pytest.fixture(params=indicators.ISAS)
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_first_seed_by_hand(isa: str) -> None:
    # alpha = 2 / (3 + 1) = 1/2
    assert indicators.ema(PRICES, 3, isa=isa).tolist() == [10.0, 10.5, 11.25, 11.125, 10.5625]


def test_sma_seed_by_hand(isa: str) -> None:
    averaged = indicators.ema(PRICES, 3, seed="sma", isa=isa)
    assert np.isnan(averaged[:2]).all()
    assert averaged[2:].tolist() == [11.0, 11.0, 10.5]


def test_alpha_instead_of_period(isa: str) -> None:
    long = np.arange(100.0)
    assert (indicators.ema(long, alpha=2 / 21, isa=isa) == indicators.ema(long, 20, isa=isa)).all()


def test_alpha_one_is_the_series_itself(isa: str) -> None:
    assert (indicators.ema(np.arange(100.0), alpha=1, isa=isa) == np.arange(100.0)).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", ["first", "sma"])
def test_short_series(dtype: type, seed: str, isa: str) -> None:
    assert indicators.ema(np.empty(0, dtype), 5, seed=seed, isa=isa).shape == (0,)
    one = indicators.ema(np.array([3], dtype), 5, seed=seed, isa=isa)
    assert one.dtype == dtype
    assert np.array_equal(one, [3.0] if seed == "first" else [np.nan], equal_nan=True)


def test_below_the_period_the_mean_is_never_reached(isa: str) -> None:
    assert np.isnan(indicators.ema(np.arange(19.0), 20, seed="sma", isa=isa)).all()


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 1, 5, 127, 128, 500, 999])
@pytest.mark.parametrize("seed", ["first", "sma"])
def test_a_missing_value_is_left_out(missing: float, at: int, seed: str, isa: str) -> None:
    whole = np.sin(np.arange(999.0))
    gapped = np.insert(whole, at, missing)
    averaged = indicators.ema(gapped, 20, seed=seed, isa=isa)
    assert np.isnan(averaged[at])
    np.testing.assert_allclose(
        np.delete(averaged, at), indicators.ema(whole, 20, seed=seed, isa="scalar"), rtol=0, atol=1e-14
    )


def test_all_missing_stays_missing(isa: str) -> None:
    assert np.isnan(indicators.ema(np.full(300, np.nan), 5, isa=isa)).all()


def test_out_is_written_and_returned(isa: str) -> None:
    x = np.arange(300.0)
    out = np.empty_like(x)
    assert indicators.ema(x, 20, out=out, isa=isa) is out
    assert (out == indicators.ema(x, 20, isa=isa)).all()


@pytest.mark.parametrize("gap", [None, 7, 200])
def test_out_may_be_x(gap: int | None, isa: str) -> None:
    x = np.sin(np.arange(1003.0))
    if gap is not None:
        x[gap] = np.nan
    expected = indicators.ema(x, 20, isa=isa)
    indicators.ema(x, 20, out=x, isa=isa)
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-14)


def test_strided_reversed_foreign_and_unaligned_input(isa: str) -> None:
    x = np.sin(np.arange(200.0))
    expected = indicators.ema(x, 9, isa=isa)
    every_other = np.repeat(x, 2)[::2]
    unaligned = np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(np.float64)
    assert not unaligned.flags.aligned
    for form in (every_other, x[::-1].copy()[::-1], x.astype(">f8"), unaligned, x.tolist(), memoryview(x)):
        assert (indicators.ema(form, 9, isa=isa) == expected).all()


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint32, np.bool_])
def test_integers_are_converted_to_float64(dtype: type) -> None:
    averaged = indicators.ema(np.array([1, 0, 1, 1], dtype), 3)
    assert averaged.dtype == np.float64
    assert averaged.tolist() == [1.0, 0.5, 0.75, 0.875]


@pytest.mark.parametrize(
    "x", [np.array(["a"]), np.array([1j]), np.array([None]), np.array([1], np.float16), "abc", None]
)
def test_other_types_are_refused(x: object) -> None:
    with pytest.raises(InvalidTypeError, match="dtype"):
        indicators.ema(x, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "neither of period and alpha"),
        ({"period": 3, "alpha": 0.5}, "both of period and alpha"),
        ({"period": 0}, "period is 0"),
        ({"period": -2}, "period is -2"),
        ({"period": 2**70}, "period is"),
        ({"alpha": 0}, "alpha is 0"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"period": 3, "seed": "mean"}, "seed is 'mean'"),
        ({"period": 3, "seed": None}, "seed is None"),
        ({"alpha": 0.5, "seed": "sma"}, "pass period"),
    ],
)
@pytest.mark.parametrize("form", [lambda **k: indicators.ema(PRICES, **k), indicators.Ema])
def test_bad_values_are_named(form: object, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        form(**arguments)  # type: ignore[operator]


@pytest.mark.parametrize("arguments", [{"period": 20.0}, {"period": "20"}, {"alpha": "0.5"}])
def test_bad_types_are_named(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidTypeError, match=next(iter(arguments))):
        indicators.ema(PRICES, **arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match=next(iter(arguments))):
        indicators.Ema(**arguments)  # type: ignore[arg-type]


def test_out_of_another_type_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="must be a NumPy array"):
        indicators.ema(PRICES, 3, out=[0.0] * 5)  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="float32"):
        indicators.ema(PRICES, 3, out=np.empty(5, np.float32))
    with pytest.raises(InvalidTypeError, match="float64"):
        indicators.ema(np.arange(5), 3, out=np.empty(5, np.int64))


def test_out_that_does_not_fit_is_refused() -> None:
    read_only = np.empty(5)
    read_only.flags.writeable = False
    for out in (np.empty(4), np.empty((5, 1)), np.empty(10)[::2], np.empty(5).astype(">f8"), read_only):
        with pytest.raises(InvalidValueError, match="out"):
            indicators.ema(PRICES, 3, out=out)


def test_overlap_is_refused() -> None:
    memory = np.arange(20.0)
    for x, out in (
        (memory[:10], memory[1:11]),
        (memory[5:15], memory[:10]),
        (memory[::-1], memory),
        (memory[::2], memory[:10]),
        (memoryview(memory)[1:11], memory[:10]),
    ):
        before = memory.copy()
        with pytest.raises(InvalidValueError, match="overlaps"):
            indicators.ema(x, 3, out=out)
        assert (memory == before).all()
    assert indicators.ema(memory[:10], 3, out=memory[10:]) is not None


def test_a_wrong_call_is_a_type_error() -> None:
    for call in (
        indicators.ema,  # type: ignore[call-arg]
        lambda: indicators.ema(PRICES, 3, 0.5),  # type: ignore[misc]
        lambda: indicators.ema(PRICES, 3, period=3),  # type: ignore[misc]
        lambda: indicators.ema(PRICES, span=3),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError):
            call()


def test_keywords_that_are_not_interned_are_found() -> None:
    keyword = "".join(["per", "iod"])
    assert (indicators.ema(**{"x": PRICES, keyword: 3}) == indicators.ema(PRICES, 3)).all()


def test_unknown_isa() -> None:
    with pytest.raises(InvalidValueError, match=r"'avx9'.*scalar"):
        indicators.ema(PRICES, 3, isa="avx9")
    with pytest.raises(InvalidTypeError, match="isa"):
        indicators.ema(PRICES, 3, isa=2)  # type: ignore[arg-type]
    if "avx2" not in indicators.ISAS:
        with pytest.raises(UnsupportedError, match="avx2"):
            indicators.ema(PRICES, 3, isa="avx2")


def run_with_isa(isa: str) -> subprocess.CompletedProcess[str]:
    code = "from latencykit.engine import indicators as i; print(i.ISA, i.ema([1, 2, 3], 3).tolist())"
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "LATENCYKIT_ISA": isa},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_environment_chooses_the_isa(isa: str) -> None:
    assert run_with_isa(isa).stdout == f"{isa} [1.0, 1.5, 2.25]\n"


def test_avx2_is_the_default_where_it_is_there() -> None:
    assert run_with_isa("").stdout.split()[0] == ("avx2" if "avx2" in indicators.ISAS else "scalar")


def test_an_unknown_isa_stops_the_import() -> None:
    error = run_with_isa("avx9").stderr
    assert "LATENCYKIT_ISA asks for an unknown instruction set 'avx9'; use one of ('scalar'" in error


def test_streaming_by_hand() -> None:
    ema = indicators.Ema(3, seed="sma")
    assert np.isnan(ema.value)
    assert np.isnan([ema.update(10), ema.update(11)]).all()
    assert [ema.update(price) for price in (12, 11, 10)] == [11.0, 11.0, 10.5]
    assert ema.value == 10.5
    assert ema.alpha == 0.5


def test_streaming_leaves_missing_values_out() -> None:
    ema = indicators.Ema(alpha=0.5)
    assert np.isnan(ema.update(float("nan")))
    assert ema.update(1.0) == 1.0
    assert np.isnan(ema.update(float("inf")))
    assert ema.value == 1.0
    assert ema.update(2.0) == 1.5


def test_streaming_refuses_what_is_no_number() -> None:
    with pytest.raises(InvalidTypeError, match="'x'"):
        indicators.Ema(3).update("x")  # type: ignore[arg-type]
