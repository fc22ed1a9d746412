"""The durations that the suites of statistics record."""

import random

KEPT = 10_000


def durations() -> list[int]:
    """Return durations as a hot path has them, some hundred nanoseconds with a long tail, over many buckets."""
    source = random.Random(20)  # noqa: S311 - the same durations in every run
    return [max(1, round(source.lognormvariate(6.0, 0.8))) for _ in range(KEPT)]
