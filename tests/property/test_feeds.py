"""What was written in any layout is read back equal, and a damaged file is refused by a DataError alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latencykit.engine import Ticks, read_ticks
from latencykit.errors import DataError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIMITS = {"allow_nan": False, "allow_infinity": False}
prices = st.floats(min_value=1e-9, max_value=1e12, **LIMITS)
volumes = st.floats(min_value=0, max_value=1e15, **LIMITS)
# Whole milliseconds between 1974 and 2100: every way of writing a time can hold them.
times_ms = st.integers(130_000_000_000, 4_102_444_800_000)


def ticks_lists(unit_ms=1):
    rows = st.lists(st.tuples(times_ms, prices, prices, prices, prices, volumes), min_size=1, max_size=30)
    return rows.map(lambda rows: sorted((t // unit_ms * unit_ms, *rest) for t, *rest in rows))


def moment(ms):
    return EPOCH + timedelta(milliseconds=ms)


def iso(ms):
    return moment(ms).replace(tzinfo=None).isoformat(timespec="milliseconds")


def compact(ms):
    return moment(ms).strftime("%Y%m%d %H%M%S") + f"{ms % 1000:03}"


def shifted(minutes):
    def write(ms):
        return str(moment(ms) + timedelta(minutes=minutes))[:-6] + offset

    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    return write


writers = st.one_of(
    st.sampled_from(
        [
            iso, lambda ms: iso(ms) + "Z", compact, str, lambda ms: str(ms * 1000),
            lambda ms: str(ms * 1_000_000),
        ]
    ),
    st.integers(-14 * 60, 14 * 60).map(shifted),
)  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("feeds") / "ticks.csv"


def check(ticks: Ticks, kind, expected):
    assert ticks.kind == kind
    assert ticks.rows() == expected


@given(rows=ticks_lists(), write=writers)
def test_bars(path, rows, write):
    lines = [f"{write(t)},{o!r},{h!r},{low!r},{c!r},{v!r}" for t, o, h, low, c, v in rows]
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines, ""]))
    check(read_ticks(path), "bars", [(t * 10**6, c, v) for t, _, _, _, c, v in rows])


@given(rows=ticks_lists(unit_ms=1000))
def test_epochs_in_seconds(path, rows):
    lines = [f"{t // 1000},{p!r},{v!r}" for t, p, _, _, _, v in rows]
    path.write_text("\n".join(["timestamp,price,size", *lines, ""]))
    check(read_ticks(path), "trades", [(t * 10**6, p, v) for t, p, _, _, _, v in rows])


@given(rows=ticks_lists(unit_ms=86_400_000), name=st.sampled_from(["", "Date"]), adjusted=st.booleans())
def test_yahoo_daily(path, rows, name, adjusted):
    lines = [
        f"{moment(t).date()},{o!r},{h!r},{low!r},{c!r},{f'{o!r},' if adjusted else ''}{v!r}"
        for t, o, h, low, c, v in rows
    ]
    path.write_text("\n".join([f"{name},Open,High,Low,Close,{'Adj Close,' if adjusted else ''}Volume", *lines]))
    check(read_ticks(path), "bars", [(t * 10**6, c, v) for t, _, _, _, c, v in rows])


@given(rows=ticks_lists(), headed=st.booleans())
def test_quotes(path, rows, headed):
    quotes = [(t, min(a, b), max(a, b), v) for t, a, b, _, _, v in rows]
    lines = [f"{(iso if headed else compact)(t)},{bid!r},{ask!r},{v!r}" for t, bid, ask, v in quotes]
    path.write_text("\n".join([*(["timestamp,bid,ask,volume"] if headed else []), *lines, ""]))
    ticks = read_ticks(path)
    check(ticks, "quotes", [(t * 10**6, 0.5 * bid + 0.5 * ask, v) for t, bid, ask, v in quotes])
    assert ticks.bid.tolist() == [bid for _, bid, _, _ in quotes]
    assert ticks.ask.tolist() == [ask for _, _, ask, _ in quotes]


@given(rows=ticks_lists(), write=writers, volume=st.sampled_from(["size", "quantity", "volume", "amount"]))
def test_trades(path, rows, write, volume):
    lines = [f"{write(t)},{p!r},{v!r},buy" for t, p, _, _, _, v in rows]
    path.write_text("\r\n".join([f"timestamp,price,{volume},side", *lines, ""]))
    check(read_ticks(path), "trades", [(t * 10**6, p, v) for t, p, _, _, _, v in rows])


@given(content=st.binary(max_size=200))
def test_whatever_is_in_a_file_it_is_read_or_refused(path, content):
    path.write_bytes(b"timestamp,price,size\n2022-01-05,1,1\n" + content)
    try:
        ticks = read_ticks(path)
    except DataError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017 - most contents are refused, some are not
    else:
        assert (ticks.price > 0).all()


@given(rows=ticks_lists(), data=st.data())
def test_a_file_cut_off_is_refused_or_loses_whole_rows_or_digits_of_its_last_number(path, rows, data):
    lines = [f"{iso(t)},{o!r},{h!r},{low!r},{c!r},{v!r}" for t, o, h, low, c, v in rows]
    text = "\n".join(["timestamp,open,high,low,close,volume", *lines, ""])
    cut = text[: data.draw(st.integers(0, len(text)))]
    path.write_text(cut)
    try:
        ticks = read_ticks(path)
    except DataError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017 - the other branch is checked too
    else:
        assert len(ticks) == len(cut.split()) - 1
        assert cut.endswith("\n") or cut.rsplit("\n", 1)[1].count(",") == 5
