import numpy as np
import pytest
from indicator_calls import INDICATORS, SEVERAL, TUPLES, Indicator, as_tuple, same

from latencykit.engine import indicators
from latencykit.errors import InvalidTypeError, InvalidValueError

# What an indicator needs before its first value, for the settings of INDICATORS.
FIRST = {
    "ema": [0], "sma": [4], "rsi": [5], "macd": [0, 0, 0], "bollinger": [4, 4, 4], "atr": [5], "vwap": [4],
    "vwap_cumulative": [0], "rolling_std": [4], "rolling_min": [4], "rolling_max": [4], "zscore": [4],
}  # fmt: skip


@pytest.fixture(params=INDICATORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def indicator(name: str) -> Indicator:
    return INDICATORS[name]


# ---- Inputs


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [0, 1, 2, 4, 5, 6, 300])
def test_results_start_where_the_seed_is_complete(name: str, n: int, dtype: type, indicator: Indicator) -> None:
    for first, result in zip(FIRST[name], as_tuple(indicator(indicator.inputs_of(n, dtype))), strict=True):
        assert (result.shape, result.dtype) == ((n,), dtype)
        assert np.isnan(result).tolist() == [i < first for i in range(n)]


def other_forms(x: np.ndarray) -> dict[str, object]:
    unaligned = np.frombuffer(b"\0" + x.tobytes(), dtype=np.uint8)[1:].view(x.dtype)
    assert not unaligned.flags.aligned
    return {
        "strided": np.repeat(x, 2)[::2],
        "reversed": x[::-1].copy()[::-1],
        "byte-swapped": x.astype(x.dtype.newbyteorder()),
        "unaligned": unaligned,
        "column": np.column_stack([x, x])[:, 1],
        "memoryview": memoryview(x),
        "subclass": x.view(np.recarray),
        "array protocol": type("Series", (), {"__array__": lambda self, dtype=None, copy=None: x})(),
    }


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("isa", indicators.ISAS)
def test_every_form_of_the_same_numbers_gives_the_same(indicator: Indicator, dtype: type, isa: str) -> None:
    inputs = indicator.inputs_of(200, dtype)
    expected = indicator(inputs, isa=isa)
    forms = [other_forms(x) for x in inputs]
    for form in forms[0]:
        assert same(indicator(tuple(each[form] for each in forms), isa=isa), expected), form


def test_lists_are_computed_in_float64(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(50)
    assert same(indicator(tuple(x.tolist() for x in inputs)), indicator(inputs))


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint32, np.bool_])
def test_integers_and_booleans_are_computed_in_float64(indicator: Indicator, dtype: type) -> None:
    inputs = indicator.inputs_of(50, dtype)
    assert same(indicator(inputs), indicator(tuple(x.astype(float) for x in inputs)))


@pytest.mark.parametrize("name", SEVERAL)
def test_mixed_inputs_are_computed_in_float64(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(50, np.float32)
    mixed = (inputs[0].astype(float), *inputs[1:])
    assert same(indicator(mixed), indicator(tuple(x.astype(float) for x in inputs)))
    assert same(
        indicator((*inputs[:-1], inputs[-1].astype(int))), indicator((*inputs[:-1], np.floor(inputs[-1]).astype(float)))
    )


@pytest.mark.parametrize(
    "x",
    [
        np.array(["a"]), np.array([1j]), np.array([None]), np.array([1], np.float16), np.array(["2026-01-01"], "M8[D]"),
        "abc", None, {1.0},
    ],
    ids=str,
)  # fmt: skip
def test_other_types_are_refused(indicator: Indicator, x: object) -> None:
    for at, called in enumerate(indicator.inputs):
        inputs = list(indicator.inputs_of(1))
        inputs[at] = x  # type: ignore[call-overload]
        with pytest.raises(InvalidTypeError, match=rf"{called} has dtype .*astype"):
            indicator(tuple(inputs))


def test_rows_of_unequal_length_are_refused(indicator: Indicator) -> None:
    with pytest.raises(InvalidValueError, match=f"{indicator.inputs[0]} cannot be read as an array"):
        indicator(tuple([[1.0, 2.0], [3.0]] for _ in indicator.inputs))  # type: ignore[misc]


def test_masks_are_not_ignored(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(3)
    masked = np.ma.masked_array(inputs[0], mask=[False, True, False])
    for form in (masked, [masked, masked], (masked,)):
        with pytest.raises(InvalidTypeError, match=r"masked array.*filled\(numpy.nan\)"):
            indicator((form, *inputs[1:]))  # type: ignore[arg-type]
    assert indicator((masked.filled(np.nan), *inputs[1:])) is not None


@pytest.mark.parametrize("shape", [(), (2, 3, 4)])
def test_other_dimensions_are_refused(indicator: Indicator, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match=rf"{indicator.inputs[0]} has {len(shape)} dimensions; .*\(series, n\)"):
        indicator(indicator.inputs_of(shape) if shape else tuple(np.array(1.0) for _ in indicator.inputs))


@pytest.mark.parametrize("name", SEVERAL)
def test_inputs_of_unlike_shape_are_refused(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(4)
    for other in (np.ones(3), np.ones((1, 4)), np.ones(1)):
        with pytest.raises(InvalidValueError, match=r"has shape \(4,\) but .* has shape \(") as raised:
            indicator((*inputs[:-1], other))
        assert str(other.shape) in str(raised.value)


# ---- Many series


@pytest.mark.parametrize("shape", [(3, 40), (1, 40), (40, 1), (0, 5), (5, 0), (2, 40_000)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_are_series(indicator: Indicator, shape: tuple[int, int], dtype: type) -> None:
    inputs = indicator.inputs_of(shape, dtype)
    if shape[1] > 1 and shape[0] > 1:
        inputs[0][1, 3] = np.nan
    results = as_tuple(indicator(inputs))
    for row in range(shape[0]):
        expected = as_tuple(indicator(tuple(x[row] for x in inputs)))
        assert same(tuple(result[row] for result in results), expected)
    assert all(result.shape == shape and result.dtype == dtype for result in results)


def test_columns_are_copied_to_rows(indicator: Indicator) -> None:
    inputs = indicator.inputs_of((40, 3))
    expected = indicator(tuple(np.ascontiguousarray(x.T) for x in inputs))
    assert same(indicator(tuple(x.T for x in inputs)), expected)
    assert same(indicator(tuple(np.asfortranarray(x.T) for x in inputs)), expected)


# ---- out


@pytest.mark.parametrize("shape", [60, (4, 60), 0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_out_is_written_and_returned(indicator: Indicator, shape: int | tuple[int, int], dtype: type) -> None:
    inputs = indicator.inputs_of(shape, dtype)
    out = indicator.empty_out(inputs[0])
    assert indicator(inputs, out=out) is out
    assert same(out, indicator(inputs))


@pytest.mark.parametrize("name", TUPLES)
def test_out_may_be_a_list(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(60)
    out = list(indicator.empty_out(inputs[0]))
    assert indicator(inputs, out=out) is out
    assert same(tuple(out), indicator(inputs))


def bad_outs(n: int) -> list[tuple[object, type[Exception], str]]:
    read_only = np.empty(n)
    read_only.flags.writeable = False
    unaligned = np.empty(8 * n + 1, np.uint8)[1:].view(np.float64)
    return [
        (np.empty(n, np.float32), InvalidTypeError, "float32.*float64"),
        (np.empty(n, np.int64), InvalidTypeError, "int64.*float64"),
        ([0.0] * n, InvalidTypeError, "must be a NumPy array.*list"),
        (np.ma.masked_array(np.empty(n)), InvalidTypeError, "masked"),
        (np.empty(n - 1), InvalidValueError, rf"\({n - 1},\).*\({n},\)"),
        (np.empty((n, 1)), InvalidValueError, rf"\({n}, 1\).*\({n},\)"),
        (np.empty(2 * n)[::2], InvalidValueError, "contiguous"),
        (np.empty(n).astype(">f8"), InvalidValueError, "byte order"),
        (unaligned, InvalidValueError, "aligned"),
        (read_only, InvalidValueError, "read-only"),
    ]


def test_an_out_that_does_not_fit_is_refused(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(7)
    for bad, error, message in bad_outs(7):
        for at in range(indicator.outputs):
            outs = [np.full(7, 3.0) for _ in range(indicator.outputs)]
            outs[at] = bad  # type: ignore[call-overload]
            with pytest.raises(error, match=message):
                indicator(inputs, out=outs[0] if indicator.outputs == 1 else tuple(outs))
            assert all((out == 3.0).all() for i, out in enumerate(outs) if i != at)


@pytest.mark.parametrize("name", TUPLES)
def test_as_many_outs_as_results(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(7)
    for count in (0, 2, 4):
        with pytest.raises(InvalidValueError, match=rf"out has {count} arrays; it must have 3 \(\w+, \w+, \w+\)"):
            indicator(inputs, out=tuple(np.empty(7) for _ in range(count)))
    with pytest.raises(InvalidTypeError, match="tuple of 3 arrays"):
        indicator(inputs, out=np.empty((3, 7)))


def test_an_out_that_overlaps_an_input_is_refused(indicator: Indicator) -> None:
    for at, called in enumerate(indicator.inputs):
        memory = np.arange(40.0)
        for x, out in (
            (memory[:10], memory[1:11]),
            (memory[5:15], memory[:10]),
            (memory[:10][::-1], memory[:10]),
            (memory[:20:2], memory[:10]),
            (memory[:20].view(np.int64)[10:], memory[10:20]),
            (memoryview(memory)[1:11], memory[:10]),
        ):
            inputs = [np.ones(10) for _ in indicator.inputs]
            inputs[at] = x  # type: ignore[call-overload]
            for place in range(indicator.outputs):
                outs = [np.empty(10) for _ in range(indicator.outputs)]
                outs[place] = out
                before = memory.copy()
                with pytest.raises(InvalidValueError, match=rf"overlaps {called}"):
                    indicator(tuple(inputs), out=outs[0] if indicator.outputs == 1 else tuple(outs))
                assert (memory == before).all()


def test_only_ema_works_in_place(name: str, indicator: Indicator) -> None:
    for at, called in enumerate(indicator.inputs):
        inputs = indicator.inputs_of(60)
        outs = [np.empty(60) for _ in range(indicator.outputs)]
        outs[-1] = inputs[at]
        out = outs[0] if indicator.outputs == 1 else tuple(outs)
        if name == "ema":
            expected = indicator(inputs)
            np.testing.assert_allclose(indicator(inputs, out=out), expected, rtol=1e-14)
            continue
        with pytest.raises(InvalidValueError, match=f"overlaps {called}"):
            indicator(inputs, out=out)


@pytest.mark.parametrize("name", TUPLES)
def test_outs_that_overlap_each_other_are_refused(indicator: Indicator) -> None:
    inputs = indicator.inputs_of(10)
    memory = np.empty(40)
    for outs in (
        (memory[:10], memory[:10], memory[20:30]),
        (memory[:10], memory[20:30], memory[9:19]),
        (memory[20:30], memory[:10], memory[25:35]),
    ):
        with pytest.raises(InvalidValueError, match=r"out\[\d\] overlaps out\[\d\]"):
            indicator(inputs, out=outs)
    assert indicator(inputs, out=(memory[:10], memory[10:20], memory[20:30])) is not None


def test_rows_between_those_of_the_input_are_no_overlap(indicator: Indicator) -> None:
    table = indicator.inputs_of((5, 2, 60))
    inputs = tuple(x[:, 0] for x in table)
    expected = indicator(tuple(x.copy() for x in inputs))
    # The span of the other rows lies within the input's, and not one byte is shared.
    one = tuple(x[:3:2, 0] for x in table)
    out = indicator.empty_out(one[0])
    assert same(indicator(one, out=out), tuple(part[:3:2] for part in as_tuple(expected)))
    gap = table[0][1, 0:2]
    if indicator.outputs == 1:
        assert indicator(tuple(x.copy() if i else x for i, x in enumerate(one)), out=gap) is gap
