"""The suites of the indicators: every variant computes what ours does, so that a ratio between them means something."""

from importlib import import_module
from types import FunctionType, SimpleNamespace

import numpy as np
import pytest

import latencykit as lk
from latencykit._core import Operation
from latencykit.engine import indicators
from latencykit.errors import UnsupportedError
from latencykit.measuring.builtin import built_in_names
from latencykit.suite import as_operation

NAMES = [name for name in built_in_names() if name.startswith("indicators")]
COMPONENTS = {
    name: next(v for v in vars(import_module(f"latencykit.suites.{name}")).values() if isinstance(v, lk.Component))
    for name in NAMES
}
EACH = [name.removeprefix("indicators_") for name in NAMES if name.removeprefix("indicators_") in indicators.__all__]
OURS = {"scalar", "simd", "bound", "avx512", "one_by_one"}
# Whose ways update sums of squares over the whole series, so that their difference has fewer digits.
SQUARES = {"indicators_rolling_std", "indicators_bollinger", "indicators_zscore"}
# These libraries can start the average only otherwise; 400 values later that weighs less than 1e-12.
OTHER_START = {("indicators", "talib"), ("indicators_length", "talib"), ("indicators_macd", "talib")} | {
    ("indicators_atr", "tulipy")
}
FADED = 400
LENGTHS = [10, 100, 1_000, 10_000]


def operation_of(component, name, parameters):
    variant = component.variants[name]
    if variant.peer is not None:
        pytest.importorskip(variant.peer, reason=f"{variant.peer}, a peer, is not installed")
    return as_operation(variant.setup(**parameters))


def arrays(result):
    """Make float64 arrays of whatever a way gives."""
    outputs = result if isinstance(result, tuple) else (result,)
    return [np.array(output.to_numpy() if hasattr(output, "to_numpy") else output, dtype=float) for output in outputs]


def combinations(component):
    for parameters in component.combinations():
        if parameters.get("length", 0) <= max(LENGTHS) and parameters.get("series", 0) <= 32:
            yield parameters


BATCH = [
    (component, name, parameters)
    for component in COMPONENTS.values()
    if component.name != "indicators_streaming"
    for name in component.variants
    for parameters in combinations(component)
]


def case_id(value):
    return value.name if isinstance(value, lk.Component) else "-".join(map(str, value.values())) if value else None


@pytest.fixture(params=[1_000, 300], ids=["market", "short market"])
def market(request, monkeypatch):
    """Let the suites see a market with enough ticks and one that they have to repeat."""
    whole = lk.market()
    short = SimpleNamespace(price=whole.price[: request.param], volume=whole.volume[: request.param])
    monkeypatch.setattr("latencykit.market", lambda: short)


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("component", "name", "parameters"), BATCH, ids=lambda v: case_id(v) if not isinstance(v, str) else v
)
def test_every_variant_computes_the_same(component, name, parameters):
    try:
        operation = operation_of(component, name, parameters)
    except UnsupportedError as error:
        pytest.skip(str(error))
    ours = "simd" if "simd" in component.variants else component.baseline
    expected = arrays(operation_of(component, ours, parameters).function())
    found = arrays(operation.function(*operation.rows[0]))
    if (component.name, name) == ("indicators_bollinger", "tulipy"):
        found.reverse()  # its order is lower, middle, upper
    if component.name == "indicators_series" and name == "pandas":
        found = [output.T for output in found]
    assert len(found) == len(expected)
    tolerance = tolerated(component.name, name)
    for output, wanted in zip(found, expected, strict=True):
        same_where_both_are(output, wanted, FADED if (component.name, name) in OTHER_START else 0, tolerance)


def tolerated(component, variant):
    if variant == "float32":
        return 1e-5
    if variant in OURS:
        return 1e-12
    return 1e-7 if component in SQUARES and variant != "naive" else 1e-9


def same_where_both_are(output, wanted, begin, tolerance):
    """Hold two outputs against each other, a shorter one against the other's end."""
    left_out = wanted.shape[-1] - output.shape[-1]
    assert 0 <= left_out < 40
    wanted = wanted[..., left_out:]
    begin = max(begin - left_out, 0)
    missing = np.isnan(output[..., begin:]) & ~np.isnan(wanted[..., begin:])
    assert not missing.any()
    assert wanted.shape[-1] < 40 or np.isfinite(wanted).mean() > 0.9
    np.testing.assert_allclose(output[..., begin:], wanted[..., begin:], rtol=tolerance, atol=tolerance)


def test_the_calls_of_ours_may_be_repeated():
    for name, component in COMPONENTS.items():
        for variant in {"simd", "bound"} & component.variants.keys():
            parameters = next(component.combinations())
            operation = operation_of(component, variant, parameters)
            first = [array.copy() for array in arrays(operation.function())]
            for before, again in zip(first, arrays(operation.function()), strict=True):
                np.testing.assert_array_equal(before, again, err_msg=name)


@pytest.mark.parametrize("indicator", COMPONENTS["indicators_streaming"].parameters["indicator"])
def test_a_naive_stream_is_at_the_same_figures(indicator):
    component = COMPONENTS["indicators_streaming"]
    ours, naive = (operation_of(component, name, {"indicator": indicator}) for name in ("native", "naive"))
    assert ours.rows == naive.rows
    for row in ours.rows:
        np.testing.assert_allclose(naive.function(*row), ours.function(*row), rtol=1e-9, atol=1e-9)


def test_every_indicator_has_a_suite_and_a_stream():
    functions = {name for name in indicators.__all__ if name.islower() and name != "bind" and name != "ema"}
    assert set(EACH) == functions
    assert set(COMPONENTS["indicators_streaming"].parameters["indicator"]) == functions | {"ema"}


def test_only_the_first_is_measured_unasked():
    assert [name for name, component in COMPONENTS.items() if not component.on_request] == ["indicators"]


@pytest.mark.parametrize("name", ["indicators", *(f"indicators_{name}" for name in EACH)])
def test_each_has_the_usual_ways_first(name):
    component = COMPONENTS[name]
    assert component.baseline == "naive"
    assert list(component.variants)[:5] == ["naive", "numpy", "scalar", "simd", "bound"]
    assert {"numba", "pandas"} & component.variants.keys()


def test_a_call_of_ours_has_no_frame_but_the_one_that_is_taken_off():
    component = COMPONENTS["indicators"]
    assert isinstance(operation_of(component, "simd", {}).function, FunctionType)
    assert type(operation_of(component, "bound", {}).function) is indicators.Bound


@pytest.mark.parametrize("name", [name for name in NAMES if "simd" in COMPONENTS[name].variants])
def test_ours_ask_for_no_memory(name):
    component = COMPONENTS[name]
    for variant in ("simd", "bound"):
        operation = operation_of(component, variant, list(component.combinations())[-2 if component.parameters else 0])
        native = Operation(operation.function, tuple(operation.rows))
        native.run(5)
        assert not any(native.count_allocations(5).values()), variant


def test_a_list_of_ten_million_is_left_out():
    component = COMPONENTS["indicators_length"]
    with pytest.raises(UnsupportedError, match="100,000"):
        component.variants["naive"].setup(length=1_000_000)
