import math
from collections.abc import Callable

import pytest

from latencykit.engine import indicators
from latencykit.errors import CapacityError, InvalidTypeError, InvalidValueError

NAN, INF = float("nan"), float("inf")

# Every class, made small, by what each row of its update() is made from one price.
FORMS: dict[str, tuple[Callable[..., object], Callable[[float], tuple[float, ...]]]] = {
    "Ema": (lambda **k: indicators.Ema(3, seed="sma", **k), lambda x: (x,)),
    "Sma": (lambda **k: indicators.Sma(3, **k), lambda x: (x,)),
    "Rsi": (lambda **k: indicators.Rsi(3, **k), lambda x: (x,)),
    "Macd": (lambda **k: indicators.Macd(2, 4, 3, seed="sma", **k), lambda x: (x,)),
    "Bollinger": (lambda **k: indicators.Bollinger(3, **k), lambda x: (x,)),
    "Atr": (lambda **k: indicators.Atr(3, **k), lambda x: (x + 1, x - 1, x)),
    "Vwap": (indicators.Vwap, lambda x: (x, 2.0)),
    "Vwap(3)": (lambda **k: indicators.Vwap(3, **k), lambda x: (x, 2.0)),
    "RollingStd": (lambda **k: indicators.RollingStd(3, **k), lambda x: (x,)),
    "RollingMin": (lambda **k: indicators.RollingMin(3, **k), lambda x: (x,)),
    "RollingMax": (lambda **k: indicators.RollingMax(3, **k), lambda x: (x,)),
    "Zscore": (lambda **k: indicators.Zscore(3, **k), lambda x: (x,)),
}
RESTARTING = {"Sma", "Bollinger", "Vwap(3)", "RollingStd", "RollingMin", "RollingMax", "Zscore"}
PRICES = [10.0, 11.0, 12.5, 11.0, 10.5, 13.0, 12.0, 12.0, 14.5, 11.25]


def fed(indicator: object, prices: list[float], row: Callable[[float], tuple[float, ...]]) -> list[object]:
    return [indicator.update(*row(price)) for price in prices]  # type: ignore[attr-defined]


def streamed(indicator: object, *series: list[float]) -> list[object]:
    return [indicator.update(*row) for row in zip(*series, strict=True)]  # type: ignore[attr-defined]


def flat(results: object) -> list[float]:
    """Spread results that may be tuples into one list."""
    if isinstance(results, float):
        return [results]
    return [value for result in results for value in flat(result)]  # type: ignore[attr-defined]


def same(a: object, b: object) -> bool:
    return all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(flat(a), flat(b), strict=True))


def approx(expected: object) -> object:
    return pytest.approx(expected, rel=1e-14, abs=1e-14, nan_ok=True)


# ---- by hand


def test_windows_by_hand() -> None:
    x = [2.0, 4.0, 4.0, 6.0, -4.0]
    assert streamed(indicators.Sma(3), x) == approx([NAN, NAN, 10 / 3, 14 / 3, 2.0])
    assert streamed(indicators.RollingMin(3), x) == approx([NAN, NAN, 2, 4, -4])
    assert streamed(indicators.RollingMax(2), x) == approx([NAN, 4, 4, 6, 6])
    assert streamed(indicators.RollingStd(4), x) == approx([NAN, NAN, NAN, math.sqrt(2), math.sqrt(14.75)])
    assert streamed(indicators.RollingStd(4, ddof=1), x) == approx([NAN, NAN, NAN, math.sqrt(8 / 3), math.sqrt(59 / 3)])
    assert streamed(indicators.Zscore(4), x)[3:] == approx([math.sqrt(2), -6.5 / math.sqrt(14.75)])
    assert streamed(indicators.Zscore(4, ddof=1), x)[3] == approx(2 / math.sqrt(8 / 3))


def test_bollinger_by_hand() -> None:
    reach = math.sqrt(2)
    bands = streamed(indicators.Bollinger(4, 3.0), [2.0, 4.0, 4.0, 6.0])
    assert flat(bands[:3]) == approx([NAN] * 9)
    assert bands[3] == approx((4 + 3 * reach, 4.0, 4 - 3 * reach))
    sample = indicators.Bollinger(4, ddof=1)
    assert streamed(sample, [2.0, 4.0, 4.0, 6.0])[3] == approx(
        (4 + 2 * math.sqrt(8 / 3), 4.0, 4 - 2 * math.sqrt(8 / 3))
    )


def test_rsi_by_hand() -> None:
    x = [10.0, 11.0, 10.5, 11.5]  # up 1, down 0.5, up 1
    assert streamed(indicators.Rsi(2), x) == approx([NAN, NAN, 200 / 3, 600 / 7])
    assert streamed(indicators.Rsi(2, seed="first"), x) == approx([NAN, 100.0, 200 / 3, 600 / 7])
    assert streamed(indicators.Rsi(2, seed="first"), [5.0, 5.0, 5.0, 4.0]) == approx([NAN, 50.0, 50.0, 0.0])


def test_atr_by_hand() -> None:
    rows = [10.0, 11.0, 13.0, 12.0], [8.0, 9.0, 12.0, 11.0], [9.0, 10.0, 12.5, 11.0]  # ranges 2, 3, 1.5
    assert streamed(indicators.Atr(2), *rows) == approx([NAN, NAN, 2.5, 2.0])
    assert streamed(indicators.Atr(2, seed="first"), *rows) == approx([NAN, 2.0, 2.5, 2.0])


def test_macd_by_hand() -> None:
    results = streamed(indicators.Macd(1, 3, 2), [2.0, 4.0])
    assert flat(results) == approx([0.0, 0.0, 0.0, 1.0, 2 / 3, 1 / 3])
    results = streamed(indicators.Macd(1, 2, 2, seed="sma"), [2.0, 4.0, 8.0])
    assert flat(results) == approx([NAN, NAN, NAN, 1.0, NAN, NAN, 5 / 3, 4 / 3, 1 / 3])


def test_vwap_by_hand() -> None:
    prices, volumes = [10.0, 13.0, 12.0, 20.0], [1.0, 2.0, 3.0, 6.0]
    assert streamed(indicators.Vwap(), prices, volumes) == approx([10.0, 12.0, 12.0, 16.0])
    assert streamed(indicators.Vwap(2), prices, volumes) == approx([NAN, 12.0, 12.4, 156 / 9])


@pytest.mark.parametrize("period", [None, 2])
def test_vwap_without_volume_is_nan(period: int | None) -> None:
    vwap = indicators.Vwap(period)
    assert flat([vwap.update(10, 0), vwap.update(11, 0), vwap.update(12, 3)]) == approx([NAN, NAN, 12.0])


def test_a_window_of_one_constant_is_exact() -> None:
    x = [0.3, *[0.1] * 20]
    assert set(streamed(indicators.Sma(7), x)[7:]) == {0.1}
    assert set(streamed(indicators.RollingStd(7), x)[7:]) == {0.0}
    assert set(streamed(indicators.Bollinger(7), x)[7:]) == {(0.1, 0.1, 0.1)}
    assert all(map(math.isnan, flat(streamed(indicators.Zscore(7), x)[7:])))


def test_a_huge_value_leaves_nothing_behind() -> None:
    for name in ("Sma", "RollingStd", "Bollinger", "Zscore", "Vwap(3)"):
        make, row = FORMS[name]
        disturbed, clean = make(), make()
        fed(disturbed, [1e300, *PRICES[:3]], row)
        fed(clean, [0.0, *PRICES[:3]], row)
        assert same(fed(disturbed, PRICES[3:], row), fed(clean, PRICES[3:], row)), name


# ---- every class


@pytest.mark.parametrize(
    ("make", "row", "expected"),
    [
        (lambda: indicators.Ema(1, seed="sma"), (3.0,), 3.0),
        (lambda: indicators.Sma(1), (3.0,), 3.0),
        (lambda: indicators.RollingStd(1), (3.0,), 0.0),
        (lambda: indicators.RollingMin(1), (3.0,), 3.0),
        (lambda: indicators.RollingMax(1), (3.0,), 3.0),
        (lambda: indicators.Zscore(1), (3.0,), NAN),
        (lambda: indicators.Bollinger(1), (3.0,), (3.0, 3.0, 3.0)),
        (lambda: indicators.Vwap(1), (3.0, 2.0), 3.0),
    ],
)
def test_a_period_of_one(make: Callable[[], object], row: tuple[float, ...], expected: object) -> None:
    indicator = make()
    for _ in range(3):
        assert indicator.update(*row) == approx(expected)  # type: ignore[attr-defined]


def test_a_period_of_one_of_what_needs_a_change() -> None:
    assert streamed(indicators.Rsi(1), [1.0, 2.0, 1.0]) == approx([NAN, 100.0, 0.0])
    assert streamed(indicators.Atr(1), [3.0, 4.0], [1.0, 3.0], [2.0, 3.5]) == approx([NAN, 2.0])


@pytest.mark.parametrize("name", sorted(FORMS.keys() - {"Vwap"}))  # from the beginning, it has no period
def test_below_the_period_all_is_nan(name: str) -> None:
    make, row = FORMS[name]
    indicator = make()
    assert all(map(math.isnan, flat(indicator.value)))  # type: ignore[attr-defined]
    assert all(map(math.isnan, flat(fed(indicator, PRICES[:2], row))))
    assert all(map(math.isnan, flat(indicator.value)))  # type: ignore[attr-defined]
    assert not any(map(math.isnan, flat(fed(indicator, PRICES, row)[-1])))


@pytest.mark.parametrize("name", FORMS)
def test_a_skipped_row_changes_nothing(name: str) -> None:
    make, row = FORMS[name]
    gapped, whole = make(missing="skip"), make()
    for price in PRICES:
        for missing in (NAN, INF, -INF):
            before = gapped.value  # type: ignore[attr-defined]
            assert all(map(math.isnan, flat(fed(gapped, [missing], row))))
            assert same(gapped.value, before)  # type: ignore[attr-defined]
        assert same(fed(gapped, [price], row), fed(whole, [price], row))
        assert same(gapped.value, whole.value)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FORMS)
def test_a_propagated_row_ends_averages_and_restarts_windows(name: str) -> None:
    make, row = FORMS[name]
    indicator = make(missing="propagate")
    expected = fed(indicator, PRICES, row)
    assert not any(map(math.isnan, flat(indicator.value)))  # type: ignore[attr-defined]
    assert all(map(math.isnan, flat(fed(indicator, [NAN], row))))
    assert all(map(math.isnan, flat(indicator.value)))  # type: ignore[attr-defined]
    after = fed(indicator, PRICES, row)
    assert same(after, expected) if name in RESTARTING else all(map(math.isnan, flat(after)))


@pytest.mark.parametrize("missing", ["skip", "propagate"])
@pytest.mark.parametrize("name", FORMS)
def test_reset_forgets_all(name: str, missing: str) -> None:
    make, row = FORMS[name]
    indicator = make(missing=missing)
    expected = fed(indicator, PRICES, row)
    for before in ([], [1e9], [1e9, NAN], PRICES[:4]):
        fed(indicator, before, row)
        indicator.reset()  # type: ignore[attr-defined]
        assert all(map(math.isnan, flat(indicator.value)))  # type: ignore[attr-defined]
        assert same(fed(indicator, PRICES, row), expected)


def test_one_missing_number_makes_the_row_missing() -> None:
    atr, vwap = indicators.Atr(1), indicators.Vwap()
    atr.update(3, 1, 2)
    vwap.update(3, 1)
    assert all(map(math.isnan, (atr.update(NAN, 1, 9), atr.update(9, INF, 9), atr.update(9, 1, NAN))))
    assert all(map(math.isnan, (vwap.update(NAN, 1), vwap.update(3, -INF))))
    assert atr.update(4, 3, 3.5) == 2.0  # from the close of 2, not of 9
    assert vwap.update(6, 2) == 5.0


def test_results_that_are_kept_do_not_change() -> None:
    macd, bollinger = indicators.Macd(1, 3, 2), indicators.Bollinger(1)
    kept = [macd.update(x) for x in PRICES]
    again = indicators.Macd(1, 3, 2)
    for x, result in zip(PRICES, kept, strict=True):
        line, signal, histogram = again.update(x)
        held = [line, signal, histogram]
        again.update(NAN)
        assert held == list(result)
    upper, *_ = bollinger.update(1.0)
    bollinger.update(2.0)
    assert upper == 1.0
    value = macd.value
    macd.update(1e6)
    assert value == kept[-1]


# ---- settings and refusals


def test_settings_can_be_read() -> None:
    assert indicators.Ema(3).period == 3
    assert indicators.Ema(alpha=1).period is None
    macd = indicators.Macd(signal=5)
    assert (macd.fast, macd.slow, macd.signal, macd.seed, macd.missing) == (12, 26, 5, "first", "skip")
    bollinger = indicators.Bollinger(width=3, ddof=1, missing="propagate")
    assert (bollinger.period, bollinger.width, bollinger.ddof, bollinger.missing) == (20, 3.0, 1, "propagate")
    assert (indicators.Vwap().period, indicators.Vwap(None).period, indicators.Vwap(7).period) == (None, None, 7)
    assert indicators.Rsi(seed="first").seed == "first"
    assert indicators.Atr().period == 14


def test_repr_is_as_it_would_be_written() -> None:
    for text in (
        "Ema(period=3, seed='sma', missing='skip')",
        "Ema(alpha=0.25, seed='first', missing='propagate')",
        "Macd(fast=3, slow=7, signal=2, seed='sma', missing='skip')",
        "Bollinger(period=5, width=1.5, ddof=1, missing='skip')",
        "Vwap(missing='skip')",
        "RollingStd(period=5, ddof=0, missing='skip')",
        "Zscore(period=5, ddof=1, missing='propagate')",
    ):
        assert repr(eval(f"indicators.{text}")) == text


def test_the_size_counts_the_window() -> None:
    assert indicators.Sma(1000).__sizeof__() - indicators.Sma(1).__sizeof__() == 999 * 8
    assert indicators.Zscore(1000).__sizeof__() - indicators.Zscore(1).__sizeof__() == 999 * 16


@pytest.mark.parametrize("form", [indicators.Sma, indicators.Rsi, indicators.Bollinger, indicators.Atr])
@pytest.mark.parametrize(("period", "message"), [(0, "period is 0"), (-3, "period is -3"), (2**70, "period is 11805")])
def test_bad_periods_are_named(form: Callable[..., object], period: int, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        form(period)
    with pytest.raises(InvalidTypeError, match=r"period must be an int, a number of values, not 2\.0"):
        form(2.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: indicators.Macd(5, 5), "fast is 5 and slow 5; fast must be the shorter period"),
        (lambda: indicators.Macd(fast=0), "fast is 0"),
        (lambda: indicators.Macd(signal=-1), "signal is -1"),
        (lambda: indicators.Bollinger(3, -1), "width is -1"),
        (lambda: indicators.Bollinger(3, NAN), "width is nan"),
        (lambda: indicators.Bollinger(3, INF), "width is inf"),
        (lambda: indicators.Bollinger(3, 10**400), "width is an int too large"),
        (lambda: indicators.RollingStd(3, ddof=2), "ddof is 2"),
        (lambda: indicators.RollingStd(3, ddof=2**80), "ddof is 12089"),
        (lambda: indicators.RollingStd(1, ddof=1), "period is 1 with ddof 1"),
        (lambda: indicators.Zscore(1, ddof=1), "period is 1 with ddof 1"),
        (lambda: indicators.Rsi(seed="mean"), "seed is 'mean'"),
        (lambda: indicators.Atr(seed=None), "seed is None"),
        (lambda: indicators.Sma(3, missing="drop"), "missing is 'drop'; use 'skip'"),
        (lambda: indicators.Vwap(0), "period is 0"),
        (lambda: indicators.Sma(3).update(10**400), "value is an int too large"),
    ],
)
def test_bad_values_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: indicators.Sma(None), "period must be an int"),
        (lambda: indicators.Bollinger(3, "2"), "width must be a number, not '2'"),
        (lambda: indicators.Zscore(3, ddof=0.0), "ddof must be the int 0 or 1, not 0.0"),
        (lambda: indicators.Macd(slow="x"), "slow must be an int"),
        (lambda: indicators.Sma(3).update("x"), "value must be a number, not 'x'"),
        (lambda: indicators.Atr(3).update(1, 2, None), "close must be a number, not None"),
        (lambda: indicators.Vwap(3).update("1", 2), "price must be a number, not '1'"),
    ],
)
def test_bad_types_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidTypeError, match=message):
        make()


@pytest.mark.parametrize(
    "call",
    [
        indicators.Sma,
        lambda: indicators.Sma(3, 4),
        lambda: indicators.Sma(3, period=3),
        lambda: indicators.Sma(3, span=3),
        lambda: indicators.RollingStd(3, 1),
        lambda: indicators.Sma(3).update(),
        lambda: indicators.Sma(3).update(1, 2),
        lambda: indicators.Atr(3).update(1, 2),
        lambda: indicators.Vwap().update(1, 2, 3),
    ],
)
def test_a_wrong_call_is_a_type_error(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        call()


@pytest.mark.parametrize("period", [2**36, 2**60, 2**61, 2**62, 2**63 - 1])
def test_windows_that_fit_no_memory_are_refused(period: int) -> None:
    for form in (indicators.Sma, indicators.Zscore, indicators.Vwap, indicators.RollingMin, indicators.Bollinger):
        with pytest.raises(CapacityError, match=f"period is {period}"):
            form(period)


def test_averages_of_any_period_need_no_memory() -> None:
    longest = 2**63 - 1
    assert math.isnan(indicators.Ema(longest, seed="sma").update(1.0))
    assert math.isnan(indicators.Rsi(longest).update(1.0))
    assert flat(indicators.Macd(longest - 1, longest, longest, seed="sma").update(1.0)) == approx([NAN] * 3)


def test_a_row_is_read_before_it_is_used() -> None:
    vwap = indicators.Vwap(2)

    class Reentrant:
        def __float__(self) -> float:
            vwap.reset()
            vwap.update(1.0, 1.0)
            return 3.0

    assert vwap.update(Reentrant(), 1.0) == 2.0
    assert vwap.update(5.0, Reentrant()) == 4.0  # 1 with volume 1, then 5 with volume 3
