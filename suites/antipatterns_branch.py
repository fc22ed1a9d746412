"""What not to do on a hot path, beside what to do instead: a branch that cannot be guessed, or arithmetic.

The sum of all rises among 10,000 changes, half of them falls, in random order. `branch` picks the rises by a mask,
where NumPy branches at each end of a run of rises or falls, and copies them; `branch_free` takes the greater of each
change and 0. `predictable` does as `branch` on the same changes sorted, so that a processor guesses every branch right:
what `branch` takes beyond it is the price of guessing wrong.
"""

from typing import TYPE_CHECKING

import latencykit as lk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from latencykit.suite import Operation

    Floats = NDArray[np.float64]

CHANGES = 10_000
SEED = 20_260_102

branch = lk.Component(
    "antipatterns_branch",
    baseline="branch",
    doc="one of 10,000 changes into the sum of all rises",
    on_request=True,
)


def changes() -> "Floats":
    """Return changes of which half are rises, in random order."""
    import numpy as np

    return np.random.default_rng(SEED).normal(size=CHANGES)


def picked(values: "Floats") -> "Operation":
    def sum_of_rises() -> float:
        return float(values[values > 0].sum())

    return lk.call(sum_of_rises, items=len(values))


@branch.variant(name="branch")
def branching() -> "Operation":
    return picked(changes())


@branch.variant(contrast=True)
def predictable() -> "Operation":
    import numpy as np

    return picked(np.sort(changes()))


@branch.variant
def branch_free() -> "Operation":
    import numpy as np

    values = changes()
    rises = np.empty_like(values)

    def sum_of_rises() -> float:
        return float(np.maximum(values, 0.0, out=rises).sum())

    return lk.call(sum_of_rises, items=len(values))
