"""Reading market data: every layout, every kind of damage, and the synthetic market."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from latencykit.engine import TICK_DTYPE, Ticks, read_ticks, synthetic_market
from latencykit.errors import DataError, InvalidValueError

MARKET_DATA = Path(__file__).parents[3] / "shared" / "data"
BARS = "timestamp,open,high,low,close,volume\n"
FIRST_BAR = "2022-01-05 00:00:00,10,12,9,11,100\n"
MINUTE_NS = 60_000_000_000
JANUARY_5_NS = 1_641_340_800_000_000_000  # 2022-01-05T00:00:00Z, from `date -ud 2022-01-05 +%s`


@pytest.fixture
def write(tmp_path):
    def write(text, name="ticks.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def error_of(path):
    with pytest.raises(DataError) as caught:
        read_ticks(path)
    return str(caught.value)


# Layouts


def test_bars_take_the_close(write):
    ticks = read_ticks(write(BARS + FIRST_BAR + "2022-01-05 00:01:00,11,13,10,12.5,0\n"))
    assert ticks.kind == "bars"
    assert ticks.rows() == [(JANUARY_5_NS, 11.0, 100.0), (JANUARY_5_NS + MINUTE_NS, 12.5, 0.0)]
    assert ticks.bid is None
    assert ticks.ask is None


def test_quotes_take_the_middle(write):
    ticks = read_ticks(write("timestamp,bid,ask\n2022-01-05T00:00:00Z,1.5,1.75\n"))
    assert ticks.kind == "quotes"
    assert ticks.rows() == [(JANUARY_5_NS, 1.625, 0.0)]
    assert ticks.bid.tolist() == [1.5]
    assert ticks.ask.tolist() == [1.75]


@pytest.mark.parametrize(("tail", "volume"), [(",7", 7.0), ("", 0.0)])
def test_quotes_without_a_header(write, tail, volume):
    ticks = read_ticks(write(f"20220105 000000065,1.5,1.75{tail}\n"))
    assert ticks.kind == "quotes"
    assert ticks.rows() == [(JANUARY_5_NS + 65_000_000, 1.625, volume)]


@pytest.mark.parametrize("column", ["size", "quantity", "qty", "volume", "amount", "Size"])
@pytest.mark.parametrize("side", [True, False])
def test_trades(write, column, side):
    header, row = f"timestamp,price,{column}", "2022-01-05T00:00:00,3.25,8"
    if side:
        header, row = header + ",side", row + ",sell"
    ticks = read_ticks(write(f"{header}\n{row}\n"))
    assert ticks.kind == "trades"
    assert ticks.rows() == [(JANUARY_5_NS, 3.25, 8.0)]


@pytest.mark.parametrize("first", ["", "Date"])
@pytest.mark.parametrize("adjusted", [True, False])
def test_yahoo_daily_bars_take_the_close_and_not_the_adjusted_one(write, first, adjusted):
    header = f"{first},Open,High,Low,Close,{'Adj Close,' if adjusted else ''}Volume"
    row = f"2022-01-05,10,12,9,11,{'5.5,' if adjusted else ''}100"
    assert read_ticks(write(f"{header}\n{row}\n")).rows() == [(JANUARY_5_NS, 11.0, 100.0)]


def test_columns_are_found_by_name_wherever_they_are(write):
    text = 'symbol,Close,Low,High,Open,VOLUME,Time\n"ABC, Inc.",11,9,12,10,100,2022-01-05\n'
    assert read_ticks(write(text)).rows() == [(JANUARY_5_NS, 11.0, 100.0)]


def test_byte_order_mark_carriage_returns_blank_lines_and_no_last_line_end(write):
    text = "\ufeff" + (BARS + "\n" + FIRST_BAR).replace("\n", "\r\n").rstrip()
    assert read_ticks(write(text)).rows() == [(JANUARY_5_NS, 11.0, 100.0)]


@pytest.mark.parametrize(
    ("text", "after_midnight_ns"),
    [
        ("2022-01-05", 0),
        ("2022-01-05 00:01", MINUTE_NS),
        ("2022-01-05T00:00:00", 0),
        ("2022-01-05T00:00:00Z", 0),
        ("2022-01-05 02:00:00+02:00", 0),
        ("2022-01-05 02:00:00+0200", 0),
        ("2022-01-05 02:00:00+02", 0),
        ("2022-01-04T19:30:00.5-04:30", 500_000_000),
        ("2022-01-05 00:00:00.000001", 1_000),
        ("2022-01-05T00:00:00.123456789Z", 123_456_789),
        ("20220105", 0),
        ("20220105 000000", 0),
        ("20220105 235959999", 86_399_999_000_000),
        ("1641340800", 0),
        ("1641340800001", 1_000_000),
        ("1641340800000001", 1_000),
        ("1641340800000000001", 1),
    ],
)
def test_times(write, text, after_midnight_ns):
    ticks = read_ticks(write(f"timestamp,price,size\n{text},1,1\n"))
    assert ticks.timestamp_ns.tolist() == [JANUARY_5_NS + after_midnight_ns]


def test_times_before_1970(write):
    ticks = read_ticks(write("Date,Open,High,Low,Close,Volume\n1969-12-31,1,1,1,1,1\n"))
    assert ticks.timestamp_ns.tolist() == [-86_400_000_000_000]


def test_equal_timestamps_are_allowed(write):
    assert len(read_ticks(write(BARS + FIRST_BAR * 2))) == 2


def test_more_rows_than_one_chunk(write):
    rows = [f"{1_641_340_800 + i},{i + 1},{i}\n" for i in range(70_000)]
    ticks = read_ticks(write("ts,price,size\n" + "".join(rows)))
    assert ticks.price.tolist() == [float(i + 1) for i in range(70_000)]
    assert ticks.timestamp_ns[-1] == (1_641_340_800 + 69_999) * 10**9
    rows[66_000] = rows[66_000].replace(",66001,", ",-66001,")
    assert ":66002: expected a positive price, got '-66001'" in error_of(write("ts,price,size\n" + "".join(rows)))
    rows[65_536:65_538] = [
        rows[65_536],
        "1641340800,1,1\n",
    ]  # the second row of the second chunk goes back in time
    rows[66_000] = rows[66_000].replace("-", "")
    assert ":65539: expected a time not before 2022-01-05T18:12:16" in error_of(
        write("ts,price,size\n" + "".join(rows))
    )


# Damage


@pytest.mark.parametrize("value", ["-11", "0", "-0.0", "nan", "NaN", "inf", "null", "", "1_000", "11..5", "ABC"])
@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_prices_that_are_no_prices(write, column, value):
    fields = {"open": "10", "high": "12", "low": "9", "close": "11", column: value}
    path = write(BARS + FIRST_BAR + f"2022-01-05 00:01:00,{','.join(fields.values())},100\n")
    assert error_of(path) == (f"{path}:3: expected a positive {column}, got {value!r}; repair or remove the row")


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "null", ""])
def test_volumes_that_are_no_volumes(write, value):
    path = write(BARS + FIRST_BAR + f"2022-01-05 00:01:00,10,12,9,11,{value}\n")
    assert error_of(path) == (f"{path}:3: expected a volume of at least 0, got {value!r}; repair or remove the row")


@pytest.mark.parametrize("cut", ["2022-01-05 00:01:00,11,13", "2022-01-0", "2022-01-05 00:01:00,11,13,10,12,1,1"])
def test_a_row_with_fields_missing_or_left_over(write, cut):
    path = write(BARS + FIRST_BAR + cut)
    assert error_of(path).startswith(f"{path}:3: expected 6 fields, got {cut.count(',') + 1}; ")


def test_a_first_row_with_fields_missing(write):
    path = write(BARS + "2022-01-05 00:01:00,11\n")
    assert error_of(path).startswith(f"{path}:2: expected 6 fields, got 2; ")


def test_a_file_cut_off_inside_quotation_marks(write):
    path = write(BARS + FIRST_BAR + '"2022-01-05 00:01:00')
    assert error_of(path).startswith(f"{path}:3: expected comma-separated fields, got ")


@pytest.mark.parametrize(
    "value",
    [
        "", "soon", "null", "2022-13-05", "2022-01-05 24:00:00", "2022-01-05 00:60:00", "2022-01-05 00:00:60",
        "2022-01-05+02:00", "1600-01-05", "2022-01-05 00:00:00+25:00", "1641340800", "20220105",
    ],
)  # fmt: skip
def test_times_that_are_no_times_or_written_unlike_the_first(write, value):
    path = write(BARS + FIRST_BAR + f"{value},10,12,9,11,100\n")
    message = error_of(path)
    assert message.startswith(f"{path}:3: expected a time such as 2022-01-05T09:30:00.5Z")
    assert f"got {value!r}" in message


@pytest.mark.parametrize("value", ["7", "20220105093000", "soon", "9999999999999999999"])
def test_first_times_that_are_no_times(write, value):
    path = write(f"timestamp,price,size\n{value},1,1\n")
    assert error_of(path).startswith(f"{path}:2: expected a time such as")


def test_time_running_backwards(write):
    path = write(BARS + "2022-01-05 00:01:00,10,12,9,11,100\n" + FIRST_BAR)
    assert error_of(path) == (
        f"{path}:3: expected a time not before 2022-01-05T00:01:00.000000000 UTC, "
        "got 2022-01-05T00:00:00.000000000; sort the rows by time"
    )


def test_crossed_quotes(write):
    path = write("timestamp,bid,ask\n2022-01-05,1.5,1.5\n2022-01-05,1.75,1.5\n")
    assert error_of(path) == (
        f"{path}:3: expected a bid not above the ask, got bid 1.75 above ask 1.5; repair or remove the row"
    )


def test_blank_lines_count_as_lines(write):
    path = write(BARS + "\n\n" + FIRST_BAR + "\n2022-01-05,0,1,1,1,1\n")
    assert error_of(path).startswith(f"{path}:6: expected a positive open, got '0'")


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_an_empty_file(write, text):
    assert "got an empty file" in error_of(write(text))


def test_a_header_alone(write):
    path = write(BARS)
    assert error_of(path).startswith(f"{path}:2: expected a row of bars after the header, got the end")


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,open,high,low,volume\n", "open,high,low,close,volume\n", "a;b;c\n", "timestamp,bid\n",
        "2022-01-05,10,12,9,11,100\n", "20220105,1.5,1.75\n", "<html>\n", "x" * 500,
    ],
)  # fmt: skip
def test_layouts_that_are_not_recognised(write, text):
    path = write(text)
    message = error_of(path)
    assert message.startswith(f"{path}:1: expected a header with a time and open,high,low,close")
    assert len(message) < len(str(path)) + 250


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\x1f\x8b\x08\0\0\xff" * 40, b"\0" * 64])
def test_a_file_that_is_no_text(write, content):
    path = write(content)
    message = error_of(path)
    assert message.startswith(f"{path}:1: expected ")
    assert message.isprintable()


def test_bytes_that_are_no_text_in_the_middle(write):
    path = write((BARS + FIRST_BAR).encode() + b"2022-01-05 00:01:00,10,12,9,\xff\0,100\n")
    assert error_of(path).startswith(f"{path}:3: expected a positive close, got ")


def test_a_file_that_does_not_exist(tmp_path):
    path = tmp_path / "none.csv"
    assert error_of(path) == (
        f"{path}: cannot be read (No such file or directory); pass the path of a readable CSV file"
    )


def test_a_directory(tmp_path):
    assert "cannot be read (Is a directory)" in error_of(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads every file")
def test_a_file_that_may_not_be_read(write):
    path = write(BARS + FIRST_BAR)
    path.chmod(0)
    assert "cannot be read (Permission denied)" in error_of(path)


def test_the_path_may_be_text(write):
    path = write(BARS + FIRST_BAR)
    assert read_ticks(str(path)).source == str(path)


# Ticks


def test_ticks_are_read_only_and_leave_the_callers_arrays_alone():
    price = np.array([1.0, 2.0])
    ticks = Ticks(np.array([1, 2]), price, np.array([0.0, 1.0]), "trades", "test")
    price[0] = 3.0
    with pytest.raises(ValueError, match="read-only"):
        ticks.price[0] = 4.0
    with pytest.raises(AttributeError):
        ticks.price = price
    assert len(ticks) == 2


def test_ticks_are_plain_numbers_as_rows():
    ticks = Ticks(np.array([1, 2]), np.array([1.0, 2.0]), np.array([0.0, 1.0]), "trades", "test")
    assert ticks.rows() == [(1, 1.0, 0.0), (2, 2.0, 1.0)]
    assert [type(value) for value in ticks.rows()[0]] == [int, float, float]


def test_ticks_refuse_columns_of_unequal_length():
    with pytest.raises(InvalidValueError, match=r"'volume' has the shape \(1,\), timestamp_ns has 2 rows"):
        Ticks(np.array([1, 2]), np.array([1.0, 2.0]), np.array([0.0]), "trades", "test")
    one = np.array([1.0])
    with pytest.raises(InvalidValueError, match="'ask'"):
        Ticks(np.array([1]), one, one, "quotes", "test", one, np.array([[1.0]]))


def test_ticks_as_records():
    assert (TICK_DTYPE.itemsize, TICK_DTYPE.alignment, TICK_DTYPE.fields["symbol"][1]) == (48, 8, 40)
    trades = Ticks([1, 2], [1.5, 2.5], [3.0, 4.0], "trades", "test", symbol_id=np.array([0, 7], np.uint32))
    records = trades.records()
    assert records.dtype == TICK_DTYPE
    assert records[["timestamp_ns", "price", "volume", "symbol", "reserved"]].tolist() == [
        (1, 1.5, 3.0, 0, 0),
        (2, 2.5, 4.0, 7, 0),
    ]
    assert np.isnan(records["bid"]).all()
    assert np.isnan(records["ask"]).all()


def test_quotes_as_records():
    quotes = Ticks([1], [1.5], [0.0], "quotes", "test", bid=[1.0], ask=[2.0])
    assert quotes.records().tolist() == [(1, 1.5, 0.0, 1.0, 2.0, 0, 0)]
    with pytest.raises(InvalidValueError, match="'symbol_id'"):
        Ticks([1], [1.5], [0.0], "trades", "test", symbol_id=np.array([0, 1]))


@pytest.mark.parametrize("symbol", [-1, 2**32, 1.0])
def test_a_symbols_number_never_becomes_another(symbol):
    with pytest.raises(InvalidValueError, match="symbol_id has"):
        Ticks([1], [1.5], [0.0], "trades", "test", symbol_id=[symbol])


# Real files

REAL = [
    (
        "btc_perp_1m_2022-01.csv", "bars", 45_031,
        (1_640_991_660_000_000_000, 46_377.0, 2_300_413.7295),
        (1_643_693_460_000_000_000, 38_544.0, 685_906.9735),
    ),
    (
        "eurusd_quotes_2020-01.csv", "quotes", 9_500,
        (1_577_898_000_065_000_000, 0.5 * (1.1212 + 1.12172), 0.0),
        (1_577_919_652_125_000_000, 0.5 * (1.1213 + 1.12132), 0.0),
    ),
    (
        "usdjpy_ticks_2013-01.csv", "quotes", 1_000,
        (1_357_077_600_295_000_000, 0.5 * (86.655 + 86.728), 0.0),
        (1_357_079_713_494_000_000, 0.5 * (86.836 + 86.854), 0.0),
    ),
    (
        "goog_daily_yahoo.csv", "bars", 2_148,
        (1_092_873_600_000_000_000, 100.34, 22_351_900.0),
        (1_362_096_000_000_000_000, 806.19, 2_175_400.0),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "count", "first", "last"), REAL)
def test_real_files(name, kind, count, first, last):
    path = MARKET_DATA / name
    if not path.exists():
        pytest.skip(f"the market data {path} is not here")
    ticks = read_ticks(path)
    rows = ticks.rows()
    assert (ticks.kind, len(ticks)) == (kind, count)
    assert rows[0] == pytest.approx(first, rel=1e-15)
    assert rows[-1] == pytest.approx(last, rel=1e-15)
    assert rows[0][0] == first[0]
    assert rows[-1][0] == last[0]


# The synthetic market


def test_the_synthetic_market_is_the_same_everywhere():
    ticks = synthetic_market(2_000, seed=7)
    prefix = "\n".join(f"{t} {p:.2f} {v:.0f}" for t, p, v in ticks.rows()[:500])
    assert (
        hashlib.sha256(prefix.encode()).hexdigest()
        == "e7f6a0e76cf4f20e66100eefed22436338a834624f09d581c246486c161b72ed"
    )


def test_the_synthetic_market_follows_its_seed():
    assert synthetic_market(1_000, seed=1).rows() == synthetic_market(1_000, seed=1).rows()
    assert synthetic_market(1_000, seed=1).rows() != synthetic_market(1_000, seed=2).rows()


@pytest.mark.parametrize("seed", range(8))
def test_the_synthetic_market_looks_like_one(seed):
    ticks = synthetic_market(seed=seed)
    assert len(ticks) == 20_000
    assert ticks.kind == "trades"
    assert (np.diff(ticks.timestamp_ns) >= 0).all()
    assert (ticks.price > 0).all()
    assert (ticks.volume >= 1).all()
    calm = np.ones(len(ticks) - 1, dtype=bool)
    for panic in ticks.panics:
        calm[panic - 2 : panic + 300] = False
    moves = np.abs(np.diff(np.log(ticks.price)))
    volatility = moves[calm].reshape(-1)
    assert 0.5e-4 < volatility.mean() < 2e-4  # GARCH around 1.3e-4, whose mean size is 0.8 of it
    blocks = volatility[: len(volatility) // 100 * 100].reshape(-1, 100).mean(axis=1)
    assert np.corrcoef(blocks[:-1], blocks[1:])[0, 1] > 0.1  # volatility clusters


@pytest.mark.parametrize("seed", range(8))
def test_each_panic_falls_on_volume_and_recovers_in_part(seed):
    ticks = synthetic_market(seed=seed)
    assert len(ticks.panics) == 4
    for panic in ticks.panics:
        before, during = ticks.price[panic - 1], ticks.price[panic : panic + 51]
        bottom = int(np.argmin(during))
        fall = 1 - during[bottom] / before
        recovery = ticks.price[panic + bottom : panic + bottom + 200].max() / during[bottom] - 1
        usual = np.median(ticks.volume[panic - 500 : panic])
        assert 0.018 < fall < 0.06
        assert 0.3 * fall < recovery < 0.95 * fall
        assert np.median(ticks.volume[panic : panic + bottom]) > 3 * usual


@pytest.mark.parametrize(("ticks", "panics"), [(1_000, 1), (9_999, 1), (10_000, 2)])
def test_the_synthetic_market_has_a_panic_per_5000_ticks(ticks, panics):
    market = synthetic_market(ticks)
    assert len(market.panics) == panics
    assert all(0 < panic < ticks - 100 for panic in market.panics)


def test_the_synthetic_market_refuses_what_it_cannot_make():
    with pytest.raises(InvalidValueError, match="999 ticks cannot hold a panic"):
        synthetic_market(999)
    with pytest.raises(InvalidValueError, match="seed -1 is negative"):
        synthetic_market(seed=-1)
