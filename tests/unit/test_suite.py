import gc

import numpy as np
import pytest

import latencykit as lk
from latencykit.errors import InvalidTypeError, InvalidValueError, LatencykitError
from latencykit.suite import as_operation, use_ticks


def test_a_component_collects_its_variants_in_order():
    component = lk.Component("queues", baseline="b")

    @component.variant
    def a():
        return None

    @component.variant(name="b", peer="thing")
    def other():
        return None

    assert list(component.variants) == ["a", "b"]
    assert component.variants["b"].peer == "thing"
    assert component.variants["a"].setup is a


def test_a_name_is_taken_once():
    component = lk.Component("queues")
    component.variant(print, name="x")
    with pytest.raises(InvalidValueError, match="already has a variant 'x'"):
        component.variant(print, name="x")


@pytest.mark.parametrize("name", ["", "a/b", "a[b", "two words", "k=v"])
def test_a_name_must_be_plain(name):
    with pytest.raises(InvalidValueError, match="plain word"):
        lk.Component(name)


def test_all_combinations_of_parameters():
    component = lk.Component("c", parameters={"length": [10, 1000], "kind": ["a", "b"]})
    assert list(component.combinations()) == [
        {"length": 10, "kind": "a"},
        {"length": 10, "kind": "b"},
        {"length": 1000, "kind": "a"},
        {"length": 1000, "kind": "b"},
    ]
    assert list(lk.Component("c").combinations()) == [{}]


def test_values_of_parameters_may_come_once():
    component = lk.Component("c", parameters={"n": iter([1, 2.5, "x", True])})
    assert len(list(component.combinations())) == len(list(component.combinations())) == 4


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n": 5}, "parameter 'n' is 5; give a list"),
        ({"n": "abc"}, "parameter 'n' is 'abc'; give a list"),
        ({"n": []}, "parameter 'n' has no values"),
        ({"n": [1, None]}, "value None of type NoneType; use int"),
        ({"n": [np.int64(1)]}, "of type int64; use int"),
        ({"a=b": [1]}, "plain word"),
    ],
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(LatencykitError, match=message):
        lk.Component("c", parameters=parameters)


def test_a_function_of_the_suite_is_a_closure_a_builtin_is_not():
    assert as_operation(lambda: None).closure
    assert not as_operation(gc.isenabled).closure
    assert not lk.call(len, "x").closure


def test_call_and_replay_keep_rows():
    assert lk.call(max, 1, 2).rows == [(1, 2)]
    assert lk.replay(max, [[1, 2], (3, 4)]).rows == [(1, 2), (3, 4)]


@pytest.mark.parametrize("items", [0, -1])
def test_a_call_does_at_least_one_item(items):
    assert lk.call(abs, -1, items=3).items == lk.replay(abs, [(1,)], items=3).items == 3
    assert lk.call(abs, -1).items == 1
    with pytest.raises(InvalidValueError, match=f"{items} items"):
        lk.call(abs, -1, items=items)


@pytest.mark.parametrize("rows", [[], [(1,), (1, 2)]])
def test_rows_must_be_of_one_length(rows):
    with pytest.raises(InvalidValueError, match="one length"):
        lk.replay(max, rows)


@pytest.mark.parametrize("made", [None, 3, "x"])
def test_a_variant_must_return_something_to_call(made):
    with pytest.raises(InvalidTypeError, match="must return a function"):
        as_operation(made)
    with pytest.raises(InvalidTypeError, match="cannot be called"):
        lk.call(made)


@pytest.mark.parametrize(("statistic", "limit"), [("p42", "1us"), ("p50", "soon"), ("p50", "-1ns")])
def test_a_target_is_checked_when_it_is_declared(statistic, limit):
    with pytest.raises(InvalidValueError):
        lk.Target(statistic, limit)


def test_the_market_is_the_file_if_there_is_one(tmp_path):
    path = tmp_path / "bars.csv"
    path.write_text("timestamp,open,high,low,close,volume\n2024-01-01 00:00:00,1,1,1,1.5,7\n")
    use_ticks(str(path))
    try:
        assert lk.market().price.tolist() == lk.market(lambda: None).price.tolist() == [1.5]
    finally:
        use_ticks(None)
    assert len(lk.market()) > 1000
    assert lk.market(lambda: "made") == "made"


@pytest.mark.parametrize(
    ("growth", "parameters", "message"),
    [
        ("length", {}, "component 'c' has no parameter 'length' to grow with; name a parameter, and declare it"),
        ("lenght", {"length": [1], "kind": ["a"]}, "no parameter 'lenght' to grow with; name one of length, kind"),
        ("", {"length": [1]}, "has no parameter ''"),
        ("n", {"n": [1, 0]}, "grows with 'n', which has the value 0; give it finite numbers above 0"),
        ("n", {"n": [-1.5]}, "value -1.5; give"),
        ("n", {"n": ["1"]}, "value '1'; give"),
        ("n", {"n": [1, True]}, "value True; give"),
        ("n", {"n": [float("nan")]}, "value nan; give"),
        ("n", {"n": [float("inf")]}, "value inf; give"),
        ("n", {"n": [10**400]}, "give it finite numbers"),
    ],
)
def test_what_time_grows_with_must_be_a_parameter_of_positive_numbers(growth, parameters, message):
    with pytest.raises(InvalidValueError, match=message):
        lk.Component("c", parameters=parameters, growth=growth)


def test_what_time_grows_with_may_be_fractions():
    component = lk.Component("c", parameters={"n": [1, 2.5], "kind": ["a"]}, growth="n")
    assert (component.growth, component.on_request) == ("n", False)
    assert lk.Component("c", on_request=True).on_request
