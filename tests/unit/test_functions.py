"""Functions of the user as operations."""

import asyncio
import sys

import pytest

from latencykit.errors import InvalidTypeError, UsageError
from latencykit.measuring.functions import check_result, find_function, function_operation, split_reference
from latencykit.suite import call

MODULE = """
def plain(x=1, *rest, **more): return 7
async def awaited(): pass
async def streamed(): yield 1
def generated(): yield 1
def needs(x, *, y): pass
class Made:
    def method(self): pass
    @classmethod
    def maker(cls): return 8
value = 3
builtin = len
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module's name, which only the working directory knows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"made_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name


def test_a_function_of_a_module_in_the_working_directory(module):
    assert find_function(module, "plain")() == 7
    assert find_function(module, "Made.maker")() == 8
    assert function_operation(module, "plain").closure


def test_the_working_directory_hides_nothing_that_is_installed(module, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('hidden')")
    find_function("json", "JSONDecoder")
    assert sys.path[-1] == str(tmp_path)


def test_a_function_of_a_file(module, tmp_path):
    origin, name = split_reference(f"{module}.py:plain")
    assert (origin, name) == (str(tmp_path / f"{module}.py"), "plain")
    assert find_function(origin, name)() == 7


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("awaited", InvalidTypeError, "is an async function"),
        ("streamed", InvalidTypeError, "is an async function"),
        ("generated", InvalidTypeError, "is a generator function"),
        ("needs", InvalidTypeError, "takes arguments (x, y)"),
        ("builtin", InvalidTypeError, "takes arguments (obj)"),
        ("Made.method", InvalidTypeError, "takes arguments (self)"),
        ("value", InvalidTypeError, "is int, which cannot be called"),
        ("plian", UsageError, "has no function 'plian', did you mean 'plain'?"),
        ("Made.none", UsageError, "has no function 'Made.none'; check the name"),
        ("value.none", UsageError, "has no function 'value.none'; check the name"),
    ],
)
def test_what_cannot_be_timed_is_told(module, name, error, words):
    with pytest.raises(error) as raised:
        find_function(module, name)
    assert words in str(raised.value)


@pytest.mark.parametrize("reference", ["module", ":f", "module:", "module:f-g", "m:f.", "C:\\x.py:f"])
def test_a_reference_names_a_module_and_a_function(reference):
    with pytest.raises(UsageError):
        split_reference(reference)


def test_what_an_operation_returns_must_not_be_left_to_do():
    check_result(call(abs, -1))
    with pytest.raises(InvalidTypeError, match="it returned a coroutine"):
        check_result(call(asyncio.sleep, 0))
