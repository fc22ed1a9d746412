"""What two names on the command line mean."""

import pytest
from suite_files import write_suite

from latencykit.errors import UsageError
from latencykit.measuring.contenders import variant_rivals

BODY = """
@c.variant
def a():
    return lk.call(abs, -1)

@c.variant
def b():
    return lk.call(abs, -1)

@c.variant(peer="absent")
def peer():
    import absent

sized = lk.Component("sized", parameters={"size": [1, 10], "kind": ["x", "y"]}, gc="on")
for name in ("a", "b"):
    sized.variant(lambda size, kind: lk.call(sum, [size]), name=name)

other = lk.Component("other", parameters={"size": [10, 100]})
other.variant(lambda size: lk.call(sum, [size]), name="a")
other.variant(lambda size: lk.call(sum, [size]), name="alone")
"""


@pytest.fixture
def suite(tmp_path) -> str:
    return write_suite(tmp_path, BODY)


def labels(found):
    return [(rivals.component, rivals.a_label, rivals.b_label, dict(rivals.parameters)) for rivals in found]


def test_every_component_that_has_both_at_equal_parameters(suite):
    found = variant_rivals("a", "b", [suite], peers=False)
    assert labels(found) == [
        ("made", "a", "b", {}),
        *[("sized", "a", "b", {"size": size, "kind": kind}) for size in (1, 10) for kind in "xy"],
    ]
    assert [rivals.gc for rivals in found] == ["off"] + ["on"] * 4
    assert found[1].a.name == "sized/a[size=1,kind=x]"


def test_a_component_can_be_named_with_the_variant(suite):
    assert labels(variant_rivals("made/b", "a", [suite], peers=False)) == [("made", "b", "a", {})]


def test_values_narrow_and_may_differ(suite):
    found = variant_rivals("sized/a[size=1]", "sized/a[size=10]", [suite], peers=False)
    assert labels(found) == [("sized", "a[size=1]", "a[size=10]", {"kind": kind}) for kind in "xy"]
    found = variant_rivals("sized/a[size=1,kind=y]", "sized/b", [suite], peers=False)
    assert labels(found) == [("sized", "a", "b", {"size": 1, "kind": "y"})]


def test_operations_of_two_components(suite):
    found = variant_rivals("sized/a[kind=x]", "other/a", [suite], peers=False)
    assert labels(found) == [("", "sized/a[size=10,kind=x]", "other/a[size=10]", {"size": 10})]


def test_an_operation_against_itself(suite):
    assert labels(variant_rivals("made/a", "made/a", [suite], peers=False)) == [("made", "a", "a", {})]


def test_built_in_components_are_found_by_name_alone():
    found = variant_rivals("mutex", "lockfree", ["queues"], peers=False)
    assert [rivals.component for rivals in found] == ["queues"]
    everywhere = variant_rivals("mutex", "lockfree", ["all"], peers=False)
    assert len(everywhere) > 1
    assert all(rivals.component.startswith("queues") for rivals in everywhere)


def test_a_peer_is_left_out_unless_asked_for(suite):
    with pytest.raises(UsageError, match="give --peers"):
        variant_rivals("a", "peer", [suite], peers=False)
    assert labels(variant_rivals("a", "peer", [suite], peers=True)) == [("made", "a", "peer", {})]


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ("a", "bb", "variant 'bb' is unknown, did you mean 'b'?"),
        ("a", "zzz", "variant 'zzz' is unknown; there are: a, b, peer, alone"),
        ("b", "alone", "no component has both 'b' and 'alone': 'b' is in made, sized; 'alone' is in other"),
        ("mad/a", "b", "component 'mad' is unknown, did you mean 'made'?"),
        ("sized/a[length=1]", "b", "sized has no parameter 'length'; it has: size, kind"),
        ("sized/a[size=7]", "b", "size of sized is never 7; it is one of 1, 10"),
        ("a[size]", "b", "'a[size]' names nothing to compare"),
        ("a/b/c", "b", "'a/b/c' names nothing to compare"),
        ("", "b", "'' names nothing to compare"),
    ],
)
def test_what_fits_nothing_is_told(suite, a, b, words):
    with pytest.raises(UsageError) as raised:
        variant_rivals(a, b, [suite], peers=False)
    assert words in str(raised.value)
