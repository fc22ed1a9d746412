"""Feeds and strategies for tests of the engine."""

import numpy as np

from latencykit.engine import Signal, Ticks

SECOND_NS = 10**9


def feed(count, seed=5):
    """Return trades a second apart, of a random walk from 100."""
    rng = np.random.default_rng(seed)
    price = np.round(100 * np.exp(np.cumsum(rng.normal(0, 1e-3, count))), 2)
    return Ticks(np.arange(count) * SECOND_NS, price, rng.integers(0, 50, count), "trades", "test")


class SignalsAt:
    """A strategy that signals on the updates it was told to, and remembers what it was asked."""

    def __init__(self, *updates, profit=0.5, stop=0.5):
        self.updates, self.profit, self.stop = updates, profit, stop
        self.asked = []

    def __call__(self, symbol, timestamp_ns, price, volume):
        self.asked.append((symbol, timestamp_ns, price, volume))
        if len(self.asked) - 1 not in self.updates:
            return None
        return Signal(price, 0.9, price * (1 + self.profit), price * (1 - self.stop), len(self.asked) - 1)


def journal_lines(path):
    """Return the fields of each line of a journal behind its head."""
    head, *lines = path.read_text().splitlines()
    assert head.startswith("# latencykit.journal/1 ")
    return [line.split(",") for line in lines]


def of_kind(path, letter):
    """Return the lines of one kind, without the letter."""
    return [fields[1:] for fields in journal_lines(path) if fields[0] == letter]
