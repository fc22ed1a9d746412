"""How often the comparison is wrong, on a simulated machine that drifts, stalls and remembers; all seeds are fixed."""

import numpy as np
import pytest
from simulated_pairs import WEATHERS, simulate

from latencykit.analysis.intervals import quantile_ranks
from latencykit.analysis.paired import FAMILY_ERROR, LOOKS, PairedRatio, ratio_when_decided

TRIALS = 500


@pytest.mark.parametrize("weather", WEATHERS)
def test_two_equal_operations_are_called_different_in_at_most_one_of_a_hundred_trials(weather):
    verdicts = [compared(simulate(WEATHERS[weather], 1.0, seed)).verdict for seed in range(TRIALS)]
    assert sum(verdict in ("slower", "faster") for verdict in verdicts) <= TRIALS // 100


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("ratio", [1.0, 1.03, 0.5])
def test_the_interval_at_which_it_stops_covers_the_truth(weather, ratio):
    trials = TRIALS // 2
    found = [compared(simulate(WEATHERS[weather], ratio, 10_000 + seed)) for seed in range(trials)]
    covered = sum(ratio_.interval[0] <= ratio <= ratio_.interval[1] for ratio_ in found if ratio_.interval)
    assert covered >= 0.95 * trials


@pytest.mark.parametrize("weather", WEATHERS)
def test_a_slowdown_of_five_percent_is_found(weather):
    verdicts = [compared(simulate(WEATHERS[weather], 1.05, 20_000 + seed)).verdict for seed in range(100)]
    assert verdicts.count("slower") >= 95
    assert "faster" not in verdicts


def test_on_a_quiet_machine_equal_operations_are_called_the_same():
    verdicts = [compared(simulate(WEATHERS["jitter"], 1.0, seed)).verdict for seed in range(100)]
    assert verdicts.count("same") >= 95


def test_what_a_share_of_the_error_for_each_look_is_good_for():
    """On a median of exactly 1 the chance that any look misses keeps to the whole; without shares it does not."""
    share = FAMILY_ERROR / (2 * len(LOOKS))
    assert missed(LOOKS, share, trials=40_000) <= FAMILY_ERROR
    assert missed(range(8, LOOKS[-1] + 1), FAMILY_ERROR / 2, trials=40_000) > 3 * FAMILY_ERROR


def test_many_comparisons_of_one_command_share_the_chance_to_be_wrong():
    comparisons, commands = 20, 2_000
    one_sided = FAMILY_ERROR / (2 * len(LOOKS) * comparisons)
    alone = missed(LOOKS, one_sided, trials=comparisons * commands)
    assert alone * comparisons <= FAMILY_ERROR
    assert missed(LOOKS, FAMILY_ERROR / (2 * len(LOOKS)), trials=comparisons * commands) * comparisons > FAMILY_ERROR


def compared(samples) -> PairedRatio:
    return ratio_when_decided(samples, 1)


def missed(looks, one_sided: float, *, trials: int) -> float:
    """Return the share of trials in which the interval misses a true median at any of the looks.

    A value is above its median as a coin falls, whatever its distribution: the interval misses if the coin's count
    leaves the ranks of its ends.
    """
    above = np.cumsum(
        np.random.default_rng(7).integers(0, 2, (trials, LOOKS[-1]), dtype=np.int8), axis=1, dtype=np.int16
    )
    wrong = np.zeros(trials, bool)
    for look in looks:
        low, _ = quantile_ranks(0.5, look, one_sided)
        wrong |= (above[:, look - 1] < low) | (above[:, look - 1] > look - low)
    return float(wrong.mean())
