"""Comparisons that nobody measured, for tests of what shows, stores and judges them."""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from fabricated import make_environment, make_validity

from latencykit.comparison import Comparison, ComparisonFailure, Figures, Report, SavedRun, Tail
from latencykit.histogram import Histogram, encode


def _bell(spread: float, count: int) -> list[float]:
    """Return factors whose logarithms are the quantiles of a normal distribution."""
    return [math.exp(spread * NormalDist().inv_cdf((i + 0.5) / count)) for i in range(count)]


def make_figures(name: str, p50_ns: float, **changes: Any) -> Figures:
    """Return the figures of an operation whose single calls have a tail."""
    calls = Histogram()
    calls.record_many(np.array([40 + p50_ns * factor for factor in _bell(0.1, 2_000)] * 10))
    calls.record_many(40 + p50_ns * np.linspace(3, 8, 100))
    parts: dict[str, Any] = {
        "count": calls.count,
        "batch_size": max(1, round(20_000 / p50_ns)),
        "floor_ns": 17.6,
        "call_floor_ns": 40.0,
        "resolution_ns": 10.0,
        "p50_ns": p50_ns,
        "p90_ns": p50_ns * 1.2,
        "p99_ns": p50_ns * 1.4,
        "p999_ns": p50_ns * 6,
        "samples_ns": [p50_ns * factor for factor in _bell(0.03, 26)],
        "histogram": encode(calls),
        **changes,
    }
    return Figures(name=name, **parts)


def make_comparison(a: str = "mutex", b: str = "lockfree", **changes: Any) -> Comparison:
    """Return a comparison in which the second is 38 times as fast."""
    parts: dict[str, Any] = {
        "component": "queues",
        "ratio": 0.0263,
        "interval": (0.0257, 0.0271),
        "level": 0.99,
        "verdict": "faster",
        "tail": Tail(statistic="p99", ratio=0.0305, interval=(0.0242, 0.0331), level=0.95),
        "pairs": 26,
        "a_figures": make_figures(f"queues/{a}", 1_320.0),
        "b_figures": make_figures(f"queues/{b}", 34.7),
        **changes,
    }
    return Comparison(a=a, b=b, **parts)


def make_slower(**changes: Any) -> Comparison:
    """Return a comparison of two functions of which the second takes 5 % more."""
    parts: dict[str, Any] = {
        "component": "",
        "ratio": 1.051,
        "interval": (1.043, 1.06),
        "verdict": "slower",
        "pairs": 52,
        "a_figures": make_figures("mine:before", 3_310.0),
        "b_figures": make_figures("mine:after", 3_480.0),
        **changes,
    }
    return make_comparison("mine:before", "mine:after", **parts)


def make_undecided(**changes: Any) -> Comparison:
    """Return a comparison that found nothing."""
    parts: dict[str, Any] = {
        "parameters": {"size": 10},
        "ratio": 1.004,
        "interval": (0.983, 1.031),
        "verdict": "inconclusive",
        "reason": "the interval 0.983 to 1.031 is neither beyond 1 % on one side nor within 2 % of equal",
        "remarks": ["stopped after 26 pairs: 26 more would go beyond 60 s"],
        "tail": None,
        "a_figures": make_figures("queues/mutex[size=10]", 1_320.0, p999_ns=None),
        "b_figures": make_figures("queues/condition[size=10]", 1_325.0),
        **changes,
    }
    return make_comparison("mutex", "condition", **parts)


def make_failure(**changes: Any) -> ComparisonFailure:
    """Return a pair whose second operation raised."""
    parts: dict[str, Any] = {
        "component": "queues",
        "a": "mutex",
        "b": "broken",
        "operation": "queues/broken",
        "reason": "it raised ValueError: no",
        "detail": "Traceback (most recent call last)",
        **changes,
    }
    return ComparisonFailure(**parts)


def make_report(**changes: Any) -> Report:
    """Return a report of one comparison of each kind."""
    parts: dict[str, Any] = {
        "id": "20260102-030405-1a2b",
        "started_at": "2026-01-02T03:04:05Z",
        "argv": ["compare", "mutex", "lockfree"],
        "environment": make_environment(),
        "validity": make_validity(),
        "comparisons": [make_comparison(), make_slower(), make_undecided()],
        **changes,
    }
    return Report(**parts)


def make_saved_report(**changes: Any) -> Report:
    """Return a report of two runs on file."""
    sides = {
        name: SavedRun(path=f"{name}.json", id=name, started_at="2026-01-02T03:04:05Z", fingerprint="0123456789abcdef")
        for name in ("base", "head")
    }
    figures = [make_figures("queues/mutex", p50_ns, samples_ns=[]) for p50_ns in (1_320.0, 2_640.0)]
    compared = make_comparison(
        "mutex", "mutex", ratio=2.0, interval=(1.31, 3.05), verdict="slower", pairs=0,
        a_figures=figures[0], b_figures=figures[1],
    )  # fmt: skip
    return make_report(kind="saved", comparisons=[compared], warnings=["only in base.json, not compared: queues/old"],
                       **sides, **changes)  # fmt: skip


REPORTS = {
    "live": make_report,
    "troubled": lambda: make_report(
        comparisons=[make_undecided()],
        failures=[make_failure(), make_failure(b="absent", operation="", reason="it needs it", skipped=True)],
        validity=make_validity("noisy", 0.123),
        complete=False,
    ),
    "saved": make_saved_report,
}
