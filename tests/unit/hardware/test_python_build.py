"""How the interpreter was built."""

import sys

import pytest

from latencykit.hardware.python_build import is_link_time, is_optimised, is_profile_guided, read_python

PLAIN = {"CONFIG_ARGS": "'--prefix=/usr'", "PY_CFLAGS": "-Wall -O3 -g"}
BEST = {"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'", "PY_CFLAGS": "-O3"}


def test_this_interpreter():
    found = read_python()
    assert found.version.startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert found.executable == sys.executable
    assert found.debug is hasattr(sys, "gettotalrefcount")
    assert found.implementation == "CPython"


def test_the_gil_is_as_the_interpreter_says(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert read_python().gil is False
    monkeypatch.delattr(sys, "_is_gil_enabled")
    assert read_python().gil is True


@pytest.mark.parametrize(
    ("variables", "optimised"),
    [
        (PLAIN, True),
        (BEST, True),
        ({"PY_CFLAGS": "-O3 -g", "PY_CORE_CFLAGS": "-O0"}, False),
        ({"PY_CFLAGS": "-O0 -O2"}, True),
        ({"PY_CFLAGS": "-Og"}, False),
        ({"PY_LDFLAGS": "-Wl,-O1"}, None),
        ({}, None),
    ],
)
def test_optimised(variables, optimised):
    assert is_optimised(variables, debug=False) is optimised


def test_a_debug_build_is_not_optimised():
    assert is_optimised(BEST, debug=True) is False


def test_profile_and_link_time():
    assert (is_profile_guided(BEST), is_link_time(BEST)) == (True, True)
    assert (is_profile_guided(PLAIN), is_link_time(PLAIN)) == (False, False)
    assert (is_profile_guided({}), is_link_time({})) == (None, None)
    assert is_link_time({"CONFIG_ARGS": "'--with-lto=no'"}) is False
