"""What the suites of the engine share: a market with an order in every thousand ticks, and engines that run over it."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import latencykit as lk
from latencykit.errors import UnsupportedError

from ._pipelines import FAST, QUANTITY, RSI, SLOW
from .pinning import two_cpus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from latencykit.engine import Engine, EngineConfig, Ticks
    from latencykit.suite import Operation

SECOND_NS = 1_000_000_000
STRETCH = 1_000  # ticks, the least that hold a panic
STRETCHES = 20
# What a run reports of its decisions is copied at its end: of more than it makes there is nothing to tell.
KEPT_DECISIONS = 1_000


def busy_market(stretches: int = STRETCHES) -> "Ticks":
    """Return synthetic trades with a panic in every thousand ticks, of which nearly all lead to an entry and an exit.

    Each stretch is a market of its own seed, bent by a slow drift so as to end where it began, so that the panics do
    not lead the price to 0, and begins a second after the one before.
    """
    import numpy as np

    from latencykit.engine import Ticks, synthetic_market

    made = [synthetic_market(STRETCH, seed) for seed in range(stretches)]
    gaps = np.concatenate([np.diff(each.timestamp_ns, prepend=each.timestamp_ns[0] - SECOND_NS) for each in made])
    prices = []
    for each in made:
        drift = (each.price[0] / each.price[-1]) ** np.linspace(0, 1, STRETCH)
        prices.append(np.round(each.price * drift, 2))
    return Ticks(
        made[0].timestamp_ns[0] - SECOND_NS + np.cumsum(gaps),
        np.concatenate(prices),
        np.concatenate([each.volume for each in made]),
        "trades",
        f"synthetic, {stretches * STRETCH} ticks, a panic in every {STRETCH}",
        panics=tuple(number * STRETCH + start for number, each in enumerate(made) for start in each.panics),
    )


def market() -> "Ticks":
    """Return the market data of this run: the file given with ``--ticks``, else the busy market."""
    return lk.market(busy_market)


def fed(
    on_tick: Callable[[int, float, float], object], ticks: "Ticks", between: Callable[[], None] | None = None
) -> "Operation":
    """Prepare calls with one tick after the other, the market over and over with times that go on.

    Without the times going on the second round would be in the past, which an engine refuses. Making the next time
    and arguments is in the figure, some 40 ns of each call, for every variant alike.
    """
    return lk.call(next, map(on_tick, *_columns(ticks)), between=between)


def _columns(ticks: "Ticks") -> tuple[Iterator[int], Iterator[float], Iterator[float]]:
    import numpy as np

    gaps = [*np.diff(ticks.timestamp_ns).tolist(), SECOND_NS]
    times = itertools.accumulate(itertools.cycle(gaps), initial=int(ticks.timestamp_ns[0]))
    return times, itertools.cycle(ticks.price.tolist()), itertools.cycle(ticks.volume.tolist())


@contextmanager
def engine_of(
    journal: Path | None, preset: "Callable[..., EngineConfig] | None" = None, **changes: Any
) -> "Iterator[Engine]":
    """Yield an engine set up as the plain pipelines are.

    Args:
        journal: Its journal, if it is to have one.
        preset: Makes the configuration; None for EngineConfig.
        changes: Arguments of the configuration that are to be otherwise.
    """
    from latencykit.engine import Engine, EngineConfig

    settings: dict[str, Any] = {
        "journal_path": journal, "fast_period": FAST, "slow_period": SLOW, "rsi_period": RSI,
        "order_quantity": QUANTITY, "kept_decisions": KEPT_DECISIONS, **changes,
    }  # fmt: skip
    with Engine((preset or EngineConfig)(**settings)) as engine:
        yield engine


def apart() -> dict[str, Any]:
    """Return what puts engine and journal on a CPU each, or nothing where there are no two to pin to."""
    try:
        return {"cpu_pinning": True, "cpu_cores": two_cpus()}
    except UnsupportedError:
        return {}


def free_to_move(work: Callable[[], object]) -> Callable[[], object]:
    """Return what does the work on any CPU that is ours, and then gives the thread the CPUs back that it had.

    A runner pins the thread that measures; without this, an engine that does not pin would be pinned all the same. The
    two system calls are in the figure. To be called before the runner pins.
    """
    allowed = os.sched_getaffinity(0)

    def unpinned() -> None:
        pinned = os.sched_getaffinity(0)
        os.sched_setaffinity(0, allowed)
        try:
            work()
        finally:
            os.sched_setaffinity(0, pinned)

    return unpinned


def rounds(engine: "Engine", ticks: "Ticks", *, drained: bool) -> Callable[[], object]:
    """Return what runs the engine over the market once more, each time later by as much as the market lasts.

    Args:
        engine: What to run.
        ticks: The market.
        drained: Whether a round ends when every line of it is in the journal, or with the last decision.
    """
    records = ticks.records()
    run, drain, times = engine.run, engine.drain, records["timestamp_ns"]
    span_ns = int(times[-1] - times[0]) + SECOND_NS

    def once() -> None:
        run(records)
        if drained:
            drain()
        later(times, span_ns)

    return once


def later(times: "NDArray[np.int64]", span_ns: int) -> None:
    times += span_ns
