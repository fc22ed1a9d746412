import random

import pytest

from latencykit.analysis.drift import drift_of


def test_growth_is_told_as_a_factor():
    assert drift_of([100.0 + i for i in range(800)]) == pytest.approx(800 / 100)


def test_shrinking_is_told_too():
    assert drift_of([1000.0 - i for i in range(800)]) == pytest.approx(201 / 901)


@pytest.mark.parametrize(
    "durations",
    [
        [],
        [1.0] * 15,
        list(range(1, 16)),  # one sample a stretch
        [100.0] * 800,
        [100.0 + i / 100 for i in range(800)],  # under a quarter
        [100.0 + 50 * (i % 2) for i in range(800)],
        [100.0] * 400 + [300.0] * 200 + [200.0] * 200,  # a slow spell
        [0.0] * 100 + [100.0] * 700,
    ],
)
def test_what_is_no_drift(durations):
    assert drift_of(durations) is None


def test_what_disturbs_some_samples_hides_no_drift():
    disturbed = [(100.0 + i) * (5 if i % 3 else 1) for i in range(800)]
    assert drift_of(disturbed) == pytest.approx(8, rel=0.02)


def test_one_slow_sample_is_no_drift():
    assert drift_of([100.0] * 799 + [1e9]) is None


def test_shuffled_samples_do_not_drift():
    generator = random.Random(20261123)
    durations = [100.0 + i for i in range(64)]
    found = []
    for _ in range(1000):
        generator.shuffle(durations)
        found.append(drift_of(durations))
    assert found.count(None) >= 998  # about one in 20,000 by chance
