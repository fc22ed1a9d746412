"""The lines of a log: what is in them, and what a bad argument becomes."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum

import numpy as np
import pytest
from logged_lines import lines, messages

from latencykit.engine import AsyncLogger
from latencykit.errors import InvalidStateError, InvalidTypeError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


# --- lines -------------------------------------------------------------------------------------------------


def test_a_line_has_time_level_and_message(path):
    with AsyncLogger(path) as logger:
        logger.site("order {} qty {} price {:.2f}")("AAPL", 100, 670.25)
        logger.site("no arguments, {{braces}}", level="ERROR")()
    (first_time, *first), (second_time, *second) = lines(path)
    assert first == ["INFO", "order AAPL qty 100 price 670.25"]
    assert second == ["ERROR", "no arguments, {braces}"]
    assert first_time <= second_time


def test_times_are_the_wall_clock(path):
    before = time.time()
    with AsyncLogger(path) as logger:
        logger.site("now")()
        after = time.time()
    stamp = datetime.fromisoformat(lines(path)[0][0][:26]).replace(tzinfo=UTC).timestamp()
    assert before - 0.005 <= stamp <= after + 0.005


class Colour(IntEnum):
    RED = 3


class Name(str):
    __slots__ = ()

    def __format__(self, spec):
        return f"<{super().__format__(spec)}>"


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        2**63 - 1,
        -(2**63),
        2**63,
        -(10**40),
        1.5,
        -0.0,
        1e300,
        float("nan"),
        True,
        False,
        None,
        "text",
        "",
        "tab\tand 'quotes'",
        "café",
        "€uro",
        "😀 beyond",
        b"bytes",
        b"it's\n\x00\xff\\",
        b"\"'",
        Decimal("1.10"),
        Colour.RED,
        Name("sub"),
        np.float64(2.5),
        np.int32(7),
        [1, "two"],
        {"k": None},
    ],
)
def test_every_type_looks_as_str_format_makes_it(path, value):
    with AsyncLogger(path) as logger:
        logger.site("[{}]")(value)
    assert messages(path) == [f"[{value}]"]


def test_other_types_keep_their_own_formatting(path):
    with AsyncLogger(path) as logger:
        logger.site("{:.2f} {:>8} {:x} {:.1f}")(Decimal("1.005"), Name("a"), 2**70, np.float64(2.25))
    assert messages(path) == ["{:.2f} {:>8} {:x} {:.1f}".format(Decimal("1.005"), Name("a"), 2**70, 2.25)]


def test_a_lone_surrogate_is_escaped(path):
    with AsyncLogger(path) as logger:
        logger.site("{}")("a\udc80b")
    assert messages(path) == ["a\\udc80b"]


def test_a_message_may_hold_newlines(path):
    with AsyncLogger(path) as logger:
        logger.site("{}")("one\ntwo")
    assert path.read_text().endswith(" INFO one\ntwo\n")


def test_the_template_may_be_anything_but_ascii(path):
    with AsyncLogger(path) as logger:
        logger.site("prix {} €")(5)
    assert messages(path) == ["prix 5 €"]


def test_text_is_copied_in_the_call(path):
    with AsyncLogger(path) as logger:
        site = logger.site("{} {}")
        for i in range(1000):
            site("x" * (i % 50) + str(i), f"y{i}".encode())
    assert messages(path) == [f"{'x' * (i % 50)}{i} {f'y{i}'.encode()}" for i in range(1000)]


# --- bad arguments -----------------------------------------------------------------------------------------


class Broken:
    def __str__(self):
        raise ValueError("cannot be shown")


class BrokenTwice:
    def __str__(self):
        class UnprintableError(Exception):
            def __str__(self):
                raise KeyError

        raise UnprintableError


@pytest.mark.parametrize(
    ("spec", "value", "mark"),
    [
        ("{:d}", "abc", "[BAD ARGUMENT: '{:d}' cannot format the str abc]"),
        ("{:d}", 1.5, "[BAD ARGUMENT: '{:d}' cannot format the float 1.5]"),
        ("{:s}", 5, "[BAD ARGUMENT: '{:s}' cannot format the int 5]"),
        ("{:>5}", None, "[BAD ARGUMENT: '{:>5}' cannot format the NoneType None]"),
        ("{:>5}", b"x", "[BAD ARGUMENT: '{:>5}' cannot format the bytes b'x']"),
        ("{:,}", "abc", "[BAD ARGUMENT: '{:,}' cannot format the str abc]"),
        ("{}", Broken(), "[BAD ARGUMENT: '{:}' cannot format the Broken: ValueError: cannot be shown]"),
        ("{}", BrokenTwice(), "[BAD ARGUMENT: '{:}' cannot format the BrokenTwice: UnprintableError]"),
        (
            "{:s}",
            2**70,
            "[BAD ARGUMENT: '{:s}' cannot format the int: ValueError: Unknown format code 's' for",
        ),
    ],
)
def test_a_bad_argument_becomes_a_marked_line_and_logging_goes_on(path, spec, value, mark):
    with AsyncLogger(path) as logger:
        logger.site("before " + spec + " after")(value)
        logger.site("next {}")(1)
    bad, following = messages(path)
    assert bad.startswith("before " + mark)
    assert bad.endswith("] after")
    assert following == "next 1"


def test_what_is_no_exception_goes_through(path):
    class Interrupting:
        def __str__(self):
            raise KeyboardInterrupt

    with AsyncLogger(path) as logger:
        with pytest.raises(KeyboardInterrupt):
            logger.site("{} {}")(1, Interrupting())
        logger.site("ok")()
    assert messages(path) == ["ok"]


@pytest.mark.parametrize("arguments", [(), (1,), (1, 2, 3)])
def test_a_wrong_number_of_arguments_raises(path, arguments):
    with (
        AsyncLogger(path) as logger,
        pytest.raises(InvalidTypeError, match=r"'\{\} \{\}' has 2 placeholders"),
    ):
        logger.site("{} {}")(*arguments)


def test_keyword_arguments_raise(path):
    with AsyncLogger(path) as logger:
        site = logger.site("{}")
        with pytest.raises(InvalidTypeError, match="no keyword arguments, but got 'price'"):
            site(1, price=2)
        none = {}
        site(1, **none)
    assert messages(path) == ["1"]


def test_formatting_an_argument_may_log_too(path):
    class Chatty:
        def __str__(self):
            logger.site("inner")()
            return "outer"

    with AsyncLogger(path) as logger:
        logger.site("{}")(Chatty())
    assert messages(path) == ["inner", "outer"]


def test_formatting_an_argument_may_close_the_logger(path):
    class Closing:
        def __str__(self):
            logger.close()
            return "closed"

    logger = AsyncLogger(path)
    with pytest.raises(InvalidStateError, match="closed"):
        logger.site("{}")(Closing())
