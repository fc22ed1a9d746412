"""The reference engine: fast building blocks of a trading-style hot path, called from Python."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latencykit.engine import indicators
    from latencykit.engine.book import BOOK_LEVEL_DTYPE, BOOK_UPDATE_DTYPE, BookSnapshot, OrderBook
    from latencykit.engine.config import EngineConfig, FeedRules, PerformanceConfig, RiskLimits
    from latencykit.engine.engine import Engine, IndicatorValues, Quote
    from latencykit.engine.feeds import (
        TICK_DTYPE,
        ArrayFeed,
        ChunksFeed,
        CsvFeed,
        Damage,
        Feed,
        JournalFeed,
        SharedRingFeed,
        SyntheticFeed,
        Ticks,
        YFinanceFeed,
        damage_of,
        feed_of,
        place_of,
        read_ticks,
        synthetic_market,
    )
    from latencykit.engine.logger import AsyncLogger, LogSite
    from latencykit.engine.orders import BUY, ORDER_DTYPE, SELL, Order, OrderArena
    from latencykit.engine.paced_run import PacedReport
    from latencykit.engine.pinning import CpuPinning
    from latencykit.engine.queues import MpmcQueue, RecordQueue, SpscQueue, UnboundedQueue
    from latencykit.engine.run_report import DECISION_DTYPE, FeedFault, RunReport
    from latencykit.engine.shared_ring import SharedRing
    from latencykit.engine.signals import Confidence, PanicDetector, Price, Signal
    from latencykit.engine.stats import Alarm, Alert, HistogramLogWriter, PerformanceStats, read_histogram_log
    from latencykit.engine.timer import PrecisionTimer, SimulatedClock

__all__ = [
    "BOOK_LEVEL_DTYPE", "BOOK_UPDATE_DTYPE", "BUY", "DECISION_DTYPE", "ORDER_DTYPE", "SELL", "TICK_DTYPE", "Alarm",
    "Alert", "ArrayFeed", "AsyncLogger", "BookSnapshot", "ChunksFeed", "Confidence", "CpuPinning", "CsvFeed",
    "Damage", "Engine", "EngineConfig", "Feed", "FeedFault", "FeedRules", "HistogramLogWriter", "IndicatorValues",
    "JournalFeed", "LogSite", "MpmcQueue", "Order", "OrderArena", "OrderBook", "PacedReport", "PanicDetector",
    "PerformanceConfig", "PerformanceStats", "PrecisionTimer", "Price", "Quote", "RecordQueue", "RiskLimits",
    "RunReport", "SharedRing", "SharedRingFeed", "Signal", "SimulatedClock", "SpscQueue", "SyntheticFeed", "Ticks",
    "UnboundedQueue", "YFinanceFeed", "damage_of", "feed_of", "indicators", "place_of", "read_histogram_log",
    "read_ticks", "synthetic_market",
]  # fmt: skip

_HOMES = {
    "BOOK_LEVEL_DTYPE": "book",
    "BOOK_UPDATE_DTYPE": "book",
    "BUY": "orders",
    "DECISION_DTYPE": "run_report",
    "ORDER_DTYPE": "orders",
    "SELL": "orders",
    "TICK_DTYPE": "feeds",
    "Alarm": "stats",
    "Alert": "stats",
    "ArrayFeed": "feeds",
    "AsyncLogger": "logger",
    "BookSnapshot": "book",
    "ChunksFeed": "feeds",
    "Confidence": "signals",
    "CpuPinning": "pinning",
    "CsvFeed": "feeds",
    "Damage": "feeds",
    "Engine": "engine",
    "EngineConfig": "config",
    "Feed": "feeds",
    "FeedFault": "run_report",
    "FeedRules": "config",
    "HistogramLogWriter": "stats",
    "IndicatorValues": "engine",
    "JournalFeed": "feeds",
    "LogSite": "logger",
    "MpmcQueue": "queues",
    "Order": "orders",
    "OrderArena": "orders",
    "OrderBook": "book",
    "PacedReport": "paced_run",
    "PanicDetector": "signals",
    "PerformanceConfig": "config",
    "PerformanceStats": "stats",
    "PrecisionTimer": "timer",
    "Price": "signals",
    "Quote": "engine",
    "RecordQueue": "queues",
    "RiskLimits": "config",
    "RunReport": "run_report",
    "SharedRing": "shared_ring",
    "SharedRingFeed": "feeds",
    "Signal": "signals",
    "SimulatedClock": "timer",
    "SpscQueue": "queues",
    "SyntheticFeed": "feeds",
    "Ticks": "feeds",
    "UnboundedQueue": "queues",
    "YFinanceFeed": "feeds",
    "damage_of": "feeds",
    "feed_of": "feeds",
    "place_of": "feeds",
    "read_histogram_log": "stats",
    "read_ticks": "feeds",
    "synthetic_market": "feeds",
}


def __getattr__(name: str) -> object:
    """Import the home of a public name on its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'latencykit.engine' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"latencykit.engine.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
