"""A live feed, as a worked example of one: bars from Yahoo Finance, asked for again and again."""

import time
from collections.abc import Iterator, Sequence
from threading import Event
from types import ModuleType
from typing import Any, Final

import numpy as np

from latencykit.engine.feed import Records
from latencykit.engine.ticks import TICK_DTYPE
from latencykit.errors import DataError, InvalidValueError, UnsupportedError

_MINUTE: Final = 60
_SECONDS: Final = {
    "1m": _MINUTE, "2m": 2 * _MINUTE, "5m": 5 * _MINUTE, "15m": 15 * _MINUTE, "30m": 30 * _MINUTE,
    "60m": 60 * _MINUTE, "90m": 90 * _MINUTE, "1h": 60 * _MINUTE, "1d": 24 * 60 * _MINUTE,
}  # fmt: skip


class YFinanceFeed:
    """Feed the bars of symbols from Yahoo Finance, with the package yfinance.

    A pass first hands over the bars of `period`, then asks again every `poll_seconds` and hands over what is new, each
    bar once and only after it has ended: its tick has the time at which it began and the price at which it closed.
    Within a poll the ticks are in the order of their times; the row of a symbol that Yahoo gave late is not put in
    before rows that were handed over.

    Args:
        symbols: Yahoo's names; a tick's symbol number is the name's place.
        interval: The length of a bar: 1m, 2m, 5m, 15m, 30m, 60m, 90m, 1h or 1d.
        period: How far back the first bars go, such as 1d or 5d; Yahoo gives 1m bars for some days only.
        poll_seconds: Seconds between two polls, at least 0; None for the interval, at most a minute.
        polls: How many polls a pass has; None to go on until `stop()`.
        retries: How many polls in a row may fail before the pass does; the failures are counted in `failures`.

    Raises:
        InvalidValueError: An argument is out of its range.
        UnsupportedError: yfinance is not installed.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        interval: str = "1m",
        *,
        period: str = "1d",
        poll_seconds: float | None = None,
        polls: int | None = None,
        retries: int = 3,
    ) -> None:
        if isinstance(symbols, str) or not symbols:
            raise InvalidValueError(f"symbols {symbols!r} are no list of names; pass such as ['AAPL', 'MSFT']")
        if interval not in _SECONDS:
            raise InvalidValueError(f"interval {interval!r} is not known; pass one of {', '.join(_SECONDS)}")
        self._poll_seconds = float(min(_SECONDS[interval], _MINUTE)) if poll_seconds is None else poll_seconds
        for name, value, least in (
            ("poll_seconds", self._poll_seconds, 0),
            ("polls", 1 if polls is None else polls, 1),
            ("retries", retries, 0),
        ):
            if not value >= least:
                raise InvalidValueError(f"{name} {value} is out of range; pass {least} or more")
        self.source = f"Yahoo Finance, {', '.join(symbols)}, {interval}"
        self.failures = 0
        self._symbols, self._interval, self._period = tuple(symbols), interval, period
        self._polls, self._retries = polls, retries
        self._yfinance = _yfinance()
        self._stop = Event()

    def stop(self) -> None:
        """End the pass, from any thread: at once if it waits, else after the poll."""
        self._stop.set()

    def chunks(self) -> Iterator[Records]:
        """Begin a pass; a poll that brings nothing new gives an empty array.

        Raises:
            DataError: Yahoo could not be asked, too often in a row, or answered with something else than bars.
        """
        self._stop.clear()
        self.failures = 0
        return self._polled()

    def _polled(self) -> Iterator[Records]:
        handed = [np.iinfo(np.int64).min] * len(self._symbols)
        failed, polls = 0, 0
        while True:
            try:
                yield self._poll(handed)
                failed = 0
            except DataError:
                self.failures += 1
                failed += 1
                if failed > self._retries:
                    raise
            polls += 1
            if polls == self._polls or self._stop.wait(self._poll_seconds):
                return

    def _poll(self, handed: list[int]) -> Records:
        now_ns = time.time_ns()
        parts = [self._bars(number, now_ns) for number in range(len(self._symbols))]
        new = [part[part["timestamp_ns"] > last] for part, last in zip(parts, handed, strict=True)]
        for number, part in enumerate(new):
            if len(part):
                handed[number] = int(part["timestamp_ns"].max())
        together = np.concatenate(new)
        return together[np.argsort(together["timestamp_ns"], kind="stable")]

    def _bars(self, number: int, now_ns: int) -> Records:
        """Ask for the bars of a symbol, and return those that have ended."""
        name = self._symbols[number]
        try:
            frame = self._yfinance.Ticker(name).history(
                period=self._period, interval=self._interval, auto_adjust=False, actions=False, raise_errors=True
            )
        except Exception as error:
            raise DataError(
                f"Yahoo Finance gave no bars of {name} ({type(error).__name__}: {error}); "
                "check the name and the network"
            ) from error
        records = _records(name, frame)
        records["symbol"] = number
        ended = records["timestamp_ns"] <= now_ns - _SECONDS[self._interval] * 1_000_000_000
        return records[ended]


def _records(name: str, frame: Any) -> Records:
    records = np.zeros(len(frame), TICK_DTYPE)
    records["bid"] = records["ask"] = np.nan
    try:
        index = frame.index if getattr(frame.index, "tz", None) is None else frame.index.tz_convert(None)
        records["timestamp_ns"] = index.to_numpy().astype("datetime64[ns]").view(np.int64)
        records["price"] = frame["Close"].to_numpy()
        records["volume"] = frame["Volume"].to_numpy()
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"Yahoo Finance's table of {name} is not as expected ({type(error).__name__}: {error}); "
            "try another version of yfinance"
        ) from error
    return records


def _yfinance() -> ModuleType:
    try:
        import yfinance
    except ImportError as error:
        raise UnsupportedError("yfinance is not installed; run: pip install 'latencykit[live]'") from error
    module: ModuleType = yfinance
    return module
