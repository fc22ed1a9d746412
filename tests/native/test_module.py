"""The module itself: imported twice, and where it cannot work."""

import gc
import importlib
import sys

import pytest

from latencykit import _core
from latencykit.errors import InvalidTypeError


def interpreters():
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    pytest.skip("this CPython cannot make subinterpreters from Python")


def all_kinds():
    """The arguments that make each kind of subinterpreter: 3.12 and later have two."""
    if sys.version_info >= (3, 13):
        return [("isolated",), ("legacy",)], {}
    return [()], {"isolated": False} if sys.version_info >= (3, 12) else {}


def test_a_subinterpreter_is_refused():
    module = interpreters()
    script = """if True:
        try:
            import latencykit._core
        except ImportError as error:
            if "subinterpreter" not in str(error):
                raise
        else:
            raise SystemError("it was imported")
    """
    kinds, options = all_kinds()
    for kind in kinds:
        interpreter = module.create(*kind, **options)
        assert not module.run_string(interpreter, script)
        module.destroy(interpreter)


def test_a_second_copy_works_beside_the_first():
    arena = _core.OrderArena(4)
    order = arena.create(1, _core.BUY, 1, 2.5)
    before = sys.modules.pop("latencykit._core")
    try:
        second = importlib.import_module("latencykit._core")
        assert second is not before
        with pytest.raises(InvalidTypeError):
            second.OrderArena(4).release(order)
        assert second.OrderArena(4).create(1, second.BUY, 1, 1.5).price == 1.5
        del second
    finally:
        sys.modules["latencykit._core"] = before
        sys.modules["latencykit"]._core = before
    gc.collect()
    assert order.price == 2.5
    arena.release(order)
