"""What the suites of the order book share: the updates that are replayed, and the book as one writes it first."""

import random

BUY, SELL = 0, 1  # as in latencykit.engine, which a suite imports only to measure it
DEPTH = 10
TICK = 0.01
Update = tuple[int, float, int]


class Ladder:
    """A market whose levels are all of the ten prices on either side of a mid that wanders by ticks."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a replay must be the same each time
        self.mid = 10_000
        self.updates: list[Update] = []

    def set_level(self, side: int, level: int, quantity: int) -> None:
        """Send what the level is now, 0 being the best and DEPTH the first that a book no longer has."""
        ticks = self.mid - 1 - level if side == BUY else self.mid + 1 + level
        self.updates.append((side, ticks * TICK, quantity))

    def quantity(self) -> int:
        return self.random.randint(1, 900)

    def fill(self) -> None:
        """Send every level."""
        for level in range(DEPTH):
            for side in (BUY, SELL):
                self.set_level(side, level, self.quantity())

    def trade(self) -> None:
        """Change the quantity of a level; most changes are near the top."""
        level = min(int(self.random.expovariate(0.7)), DEPTH - 1)
        self.set_level(self.random.choice((BUY, SELL)), level, self.quantity())

    def move(self, up: bool) -> None:  # noqa: FBT001 - one of two ways
        """Move the mid by a tick: one side loses its best level, the other its last, and both get a new one."""
        losing, gaining = (SELL, BUY) if up else (BUY, SELL)
        self.set_level(losing, 0, 0)
        self.set_level(gaining, DEPTH - 1, 0)
        self.mid += 1 if up else -1
        self.set_level(losing, DEPTH - 1, self.quantity())
        self.set_level(gaining, 0, self.quantity())


def replayed_updates(least: int = 4_000, seed: int = 7) -> list[Update]:
    """Return updates that end where they began, so that they may be replayed over and over.

    Four in five updates change a quantity; the rest are moves of the mid, which insert and remove levels.
    """
    ladder = Ladder(seed)
    ladder.fill()
    begin = ladder.mid
    while len(ladder.updates) < least:
        if ladder.random.random() < 1 / 17:
            ladder.move(ladder.random.random() < 0.5)
        else:
            ladder.trade()
    while ladder.mid != begin:
        ladder.move(ladder.mid < begin)
    return ladder.updates
