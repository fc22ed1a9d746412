"""Whatever the order in which owners set and undo, the last one's value is in force, and the end is the beginning."""

from hypothesis import given
from hypothesis import strategies as st

from latencykit.engine.layers import Layers

OWNERS = st.sampled_from("abcd")
STEPS = st.lists(st.tuples(OWNERS, st.none() | st.integers(1, 5)), max_size=30)


@given(STEPS)
def test_the_setting_follows_the_latest_owner_that_is_left(steps):
    layers, setting, stack = Layers(), 0, {}
    for owner, value in steps:
        if value is None:
            back = layers.drop(owner)
            setting = setting if back is None else back
            stack.pop(owner, None)
        else:
            layers.put(owner, setting, value)
            setting = value
            stack.pop(owner, None)
            stack[owner] = value
        assert setting == (list(stack.values())[-1] if stack else 0)
        assert bool(layers) == bool(stack)
        assert not stack or layers.bottom == 0
    for owner in list(stack):
        back = layers.drop(owner)
        setting = setting if back is None else back
    assert setting == 0


def test_a_change_by_a_stranger_is_what_the_owner_above_goes_back_to():
    layers = Layers()
    layers.put("a", 0, 1)
    layers.put("b", 9, 2)  # somebody made it 9 after a made it 1
    assert layers.drop("a") is None
    assert layers.drop("b") == 9


def test_who_set_nothing_undoes_nothing():
    layers = Layers()
    layers.put("a", 0, 1)
    assert layers.drop("b") is None
    assert layers.drop("a") == 0
    assert layers.drop("a") is None
