"""A feed of synthetic markets of any length and number, made while it is read."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from latencykit.engine.array_feed import CHUNK_ROWS, check_chunk_rows
from latencykit.engine.feed import Records
from latencykit.engine.synthetic import synthetic_market
from latencykit.engine.ticks import TICK_DTYPE
from latencykit.errors import InvalidValueError

# What is made at a time, over all symbols: 10 MB of ticks; a thousand symbols need more, as each has its least.
_MADE_AT_ONCE: Final = 200_000
_LEAST_SEGMENT: Final = 1_000
_SECOND_NS: Final = 1_000_000_000


class SyntheticFeed:
    """Feed the ticks of synthetic markets, one a symbol, in the order of their times.

    Each market is that of `synthetic_market`, made in segments: a segment begins a second after the one before at its
    last price, and every segment is bent by a slow drift so as to end where it began, because the panics would
    otherwise lead a long market to 0. A market that fits one segment is `synthetic_market(ticks, seed)` as it is. The
    same arguments give the same ticks, whatever the size of the chunks. Memory holds a segment of each symbol: some
    20 MB, and 100 MB with a thousand symbols, however many ticks there are.

    Args:
        ticks: How many ticks in all, at least 1.
        seed: Of the random numbers, at least 0.
        symbols: How many markets, numbered from 0, at least 1.
        chunk_rows: How many ticks a chunk has at most, at least 1.

    Raises:
        InvalidValueError: An argument is out of its range.
    """

    def __init__(self, ticks: int, seed: int = 1, symbols: int = 1, *, chunk_rows: int = CHUNK_ROWS) -> None:
        for name, value, least in (("ticks", ticks, 1), ("seed", seed, 0), ("symbols", symbols, 1)):
            if value < least:
                raise InvalidValueError(f"{name} {value} is out of range; pass {least} or more")
        check_chunk_rows(chunk_rows)
        self._ticks, self._seed, self._symbols, self._chunk_rows = ticks, seed, symbols, chunk_rows
        share = -(-ticks // symbols)
        self._segment = max(_LEAST_SEGMENT, min(share, _MADE_AT_ONCE // symbols))
        self._panics: list[int] = []
        several = f", {symbols} symbols" if symbols > 1 else ""
        self.source = f"synthetic, {ticks} ticks{several}, seed {seed}"

    def __len__(self) -> int:
        return self._ticks

    @property
    def panics(self) -> tuple[int, ...]:
        """The rows at which planted panics begin, of those that the last pass has handed over."""
        return tuple(self._panics)

    def chunks(self) -> Iterator[Records]:
        """Begin a pass over the ticks."""
        self._panics = []
        return self._in_chunks()

    def _in_chunks(self) -> Iterator[Records]:
        row = 0
        for made, order in self._merged():
            for start in range(0, len(order), self._chunk_rows):
                chunk = made[order[start : min(start + self._chunk_rows, start + self._ticks - row)]]
                self._panics.extend((np.flatnonzero(chunk["reserved"]) + row).tolist())
                chunk["reserved"] = 0
                row += len(chunk)
                yield chunk
                if row == self._ticks:
                    return
            del made, order  # before the next ones are made

    def _merged(self) -> Iterator[tuple[Records, NDArray[np.intp]]]:
        """Give ticks, and the order in which those of them come that no later segment can come before."""
        markets = [_Market(self._seed, symbol, self._segment, bent=self._is_bent) for symbol in range(self._symbols)]
        kept = np.empty(0, TICK_DTYPE)
        while True:
            made = np.empty(len(kept) + self._symbols * self._segment, TICK_DTYPE)
            made[: len(kept)] = kept
            for number, market in enumerate(markets):
                start = len(kept) + number * self._segment
                made[start : start + self._segment] = market.next_segment()
            order = np.argsort(made["timestamp_ns"], kind="stable")
            complete = min(market.last_ns for market in markets)
            ready = np.count_nonzero(made["timestamp_ns"] <= complete)
            kept = made[order[ready:]]
            yield made, order[:ready]
            del made, order

    @property
    def _is_bent(self) -> bool:
        return self._symbols > 1 or self._ticks > self._segment


class _Market:
    """One symbol's market, segment by segment; the row at which a panic begins is marked in `reserved`."""

    def __init__(self, seed: int, symbol: int, length: int, *, bent: bool) -> None:
        self._seed, self._symbol, self._length, self._bent = seed, symbol, length, bent
        self._number = 0
        self._level: float | None = None
        self.last_ns: int = 0

    def next_segment(self) -> Records:
        ticks = synthetic_market(self._length, self._segment_seed())
        records = ticks.records()
        records["symbol"] = self._symbol
        records["reserved"][list(ticks.panics)] = 1
        if self._number:
            records["timestamp_ns"] += self.last_ns + _SECOND_NS - int(records["timestamp_ns"][0])
        if self._bent:
            self._bend(records)
        self.last_ns = int(records["timestamp_ns"][-1])
        self._number += 1
        return records

    def _segment_seed(self) -> int:
        if self._number == self._symbol == 0:
            return self._seed
        # numpy promises to keep what this gives.
        sequence = np.random.SeedSequence([self._seed, self._symbol, self._number])
        return int(sequence.generate_state(1, np.uint64)[0])

    def _bend(self, records: Records) -> None:
        first, last = float(records["price"][0]), float(records["price"][-1])
        if self._level is None:
            self._level = first
        drift = (first / last) ** (np.arange(len(records)) / (len(records) - 1))
        records["price"] = np.round(records["price"] * (self._level / first) * drift, 2)
