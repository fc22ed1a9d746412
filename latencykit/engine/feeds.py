"""Market data as the engine takes it: read from files, or synthetic and seeded."""

from latencykit.engine.csv_ticks import read_ticks
from latencykit.engine.synthetic import synthetic_market
from latencykit.engine.ticks import TICK_DTYPE, Ticks, TicksKind

__all__ = ["TICK_DTYPE", "Ticks", "TicksKind", "read_ticks", "synthetic_market"]
