"""A machine that is not quiet, simulated: pairs of samples of two operations whose true ratio is known."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latencykit.analysis.paired import LOOKS
from latencykit.comparison import Block, Pair, PairSamples, Shape

TIMINGS = 5
NET_NS, FLOOR_NS = 100.0, 20.0


@dataclass(frozen=True)
class Weather:
    """What the machine adds to the time of a batch.

    Attributes:
        jitter: Standard deviation of the logarithm of what is different for each timing.
        skew: Mean of what is added to a timing, exponentially distributed, as a share of it.
        drift: Standard deviation of the step of a random walk of the machine's speed, from one timing to the next.
        memory: How much of a slow disturbance is left at the next timing.
        spell: Standard deviation of that disturbance.
        bursts: The chance that a burst begins at a timing; it lasts for 20 on average and slows them two to four times.
    """

    jitter: float = 0.02
    skew: float = 0.0
    drift: float = 0.0
    memory: float = 0.0
    spell: float = 0.0
    bursts: float = 0.0


WEATHERS = {
    "jitter": Weather(),
    "skew": Weather(skew=0.15),
    "drift": Weather(drift=0.01),
    "autocorrelation": Weather(memory=0.995, spell=0.15),
    "bursts": Weather(bursts=0.01),
    "everything": Weather(skew=0.1, drift=0.005, memory=0.995, spell=0.1, bursts=0.005),
}


def slowdowns(weather: Weather, count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the factor by which each of so many timings in a row is longer than on a quiet machine."""
    walk = np.cumsum(random.normal(0, weather.drift, count))
    spell = remembered(weather, count, random) if weather.spell else 0.0
    burst = np.ones(count)
    for start in np.flatnonzero(random.random(count) < weather.bursts):
        burst[start : start + random.geometric(1 / 20)] = random.uniform(2, 4)
    speed = np.exp(walk + spell + random.normal(0, weather.jitter, count))
    return speed * burst * (1 + random.exponential(1, count) * weather.skew)


def remembered(weather: Weather, count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a disturbance of constant spread of which a part is left at each next timing."""
    shocks = random.normal(0, weather.spell * np.sqrt(1 - weather.memory**2), count)
    found, level = np.empty(count), random.normal(0, weather.spell)
    for i, shock in enumerate(shocks):
        level = weather.memory * level + shock
        found[i] = level
    return found


def simulate(weather: Weather, ratio: float, seed: int, pairs: int = LOOKS[-1]) -> PairSamples:
    """Return pairs of two operations, the second of which takes `ratio` times as long, taken as the sampler does."""
    random = np.random.default_rng(seed)
    # Of each pair: timings of the floor, then those of whichever comes first, then those of the other.
    slower = slowdowns(weather, pairs * 3 * TIMINGS, random).reshape(pairs, 3 * TIMINGS)
    a_first = np.repeat(random.random(pairs // 2) < 0.5, 2)
    a_first[1::2] = ~a_first[1::2]
    taken = []
    for first, row in zip(a_first, slower, strict=True):
        floor, (early, late) = FLOOR_NS * row[:TIMINGS].min(), row[TIMINGS:].reshape(2, TIMINGS)
        a, b = (early, late) if first else (late, early)
        taken.append(
            Pair(
                a_ns=(a * (NET_NS + FLOOR_NS)).tolist(),
                b_ns=(b * (NET_NS * ratio + FLOOR_NS)).tolist(),
                a_floor_ns=floor,
                b_floor_ns=floor,
            )
        )
    blocks = [Block(pairs=(taken[i], taken[i + 1]), a_calls="", b_calls="") for i in range(0, pairs, 2)]
    return PairSamples(a=shape_of("a"), b=shape_of("b"), blocks=blocks)


def shape_of(name: str) -> Shape:
    """Return how a simulated operation was sampled."""
    return Shape(name=name, batch_size=200, resolution_ns=10.0, call_floor_ns=30.0)
