"""Market data as the engine takes it: read from files, live, from another process, or synthetic and seeded."""

from latencykit.engine.array_feed import ArrayFeed, ChunksFeed
from latencykit.engine.csv_feed import CsvFeed
from latencykit.engine.csv_ticks import read_ticks
from latencykit.engine.feed import Damage, Feed, FeedSource, damage_of, feed_of, place_of
from latencykit.engine.journal_feed import JournalFeed, is_journal
from latencykit.engine.live_feed import YFinanceFeed
from latencykit.engine.ring_feed import SharedRingFeed
from latencykit.engine.synthetic import synthetic_market
from latencykit.engine.synthetic_feed import SyntheticFeed
from latencykit.engine.ticks import TICK_DTYPE, Ticks, TicksKind

__all__ = [
    "TICK_DTYPE", "ArrayFeed", "ChunksFeed", "CsvFeed", "Damage", "Feed", "FeedSource", "JournalFeed",
    "SharedRingFeed", "SyntheticFeed", "Ticks", "TicksKind", "YFinanceFeed", "damage_of", "feed_of", "is_journal",
    "place_of", "read_ticks", "synthetic_market",
]  # fmt: skip
