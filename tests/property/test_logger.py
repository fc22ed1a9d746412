"""Messages are, byte for byte, what str.format makes of the same template and arguments."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from latencykit.engine import AsyncLogger
from latencykit.errors import InvalidValueError, UnsupportedError

PREFIX = len("2026-01-02T03:04:05.123456789Z INFO ")

values = st.one_of(
    st.integers(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(min_value=2**62).map(lambda n: n * 7),
    st.floats(),
    st.floats(-1e6, 1e6).map(lambda x: round(x, 2)),
    st.floats(1e-6, 1e17),
    st.booleans(),
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text(st.characters(max_codepoint=127), max_size=20),
    st.binary(max_size=20),
    st.decimals(allow_nan=False, places=3, min_value=-1000, max_value=1000),
)


def maybe(choices):
    return st.one_of(st.just(""), choices)


specs = st.builds(
    "".join,
    st.tuples(
        maybe(st.builds(lambda fill, align: fill + align, maybe(st.sampled_from("*0 x<")), st.sampled_from("<>^="))),
        maybe(st.sampled_from("+- ")),
        maybe(st.just("#")),
        maybe(st.just("0")),
        maybe(st.integers(1, 30).map(str)),
        maybe(st.sampled_from(",_")),
        maybe(st.integers(0, 25).map(lambda n: f".{n}")),
        maybe(st.sampled_from("sdboxXeEfFgG%")),
    ),
)


class Log:
    """A logger and a way to ask what the last call made of its arguments."""

    def __init__(self, path):
        self.logger = AsyncLogger(path, capacity=1000)
        self.file = path.open("rb")

    def message(self, template, *arguments):
        self.logger.site(template)(*arguments)
        self.logger.drain()
        return self.file.read()[PREFIX:-1].decode("utf-8")

    def close(self):
        self.logger.close()
        self.file.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    made = Log(tmp_path_factory.mktemp("log") / "x.log")
    yield made
    made.close()


same_log = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=1500)


@same_log
@given(spec=specs, value=values)
@example(spec="010,", value=float("inf"))
@example(spec="020_x", value=255)
@example(spec=".3", value=0.0)
@example(spec="", value=1e16)
@example(spec="", value=9007199254740993.0)
@example(spec=".0", value=1234.5)
@example(spec="%", value=1e308)
@example(spec="05", value=True)
@example(spec="d", value=Decimal("1.5"))
def test_one_argument(log, spec, value):
    template = f"<{{:{spec}}}>"
    try:
        expected = template.format(value)
    except (ValueError, TypeError):
        expected = None
    try:
        got = log.message(template, value)
    except UnsupportedError:
        assert "#" in spec  # The only part of these specifications that sites do without.
    except InvalidValueError:
        assert expected is None
    else:
        if expected is None:
            assert got.startswith(f"<[BAD ARGUMENT: '{{:{spec}}}' cannot format the ")
        else:
            assert got == expected


@same_log
@given(value=st.floats())
def test_a_bare_float_is_its_repr(log, value):
    assert log.message("{}", value) == repr(value)


@same_log
@given(
    value=st.floats(allow_nan=False, allow_infinity=False),
    precision=st.integers(0, 100),
    kind=st.sampled_from("efg"),
)
def test_every_precision_is_rounded_as_python_rounds(log, value, precision, kind):
    template = f"{{:.{precision}{kind}}}"
    assert log.message(template, value) == template.format(value)


@same_log
@given(parts=st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), values), max_size=8))
def test_whole_templates(log, parts):
    template = "".join(text.replace("{", "{{").replace("}", "}}") + "{}" for text, _ in parts)
    arguments = [value for _, value in parts]
    assert log.message(template, *arguments) == template.format(*arguments)
