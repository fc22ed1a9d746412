"""Each don't of the antipatterns does the same work as the do beside it."""

from types import GeneratorType

import numpy as np
import pytest

from latencykit.measuring.loading import select
from latencykit.suite import as_operation
from latencykit.suites import antipatterns, antipatterns_branch, antipatterns_lock, antipatterns_print

COMPONENTS = [
    antipatterns.allocation, antipatterns_lock.lock, antipatterns_print.printing, antipatterns_branch.branch,
]  # fmt: skip
VARIANTS = [(component, name) for component in COMPONENTS for name in component.variants]


def made(component, name):
    return component.variants[name].setup()


@pytest.mark.parametrize(("component", "name"), VARIANTS, ids=lambda v: v if isinstance(v, str) else v.name)
def test_a_variant_runs_and_cleans_up(component, name):
    setup = made(component, name)
    operation = as_operation(next(setup) if isinstance(setup, GeneratorType) else setup)
    for _ in range(20):
        operation.function(*operation.rows[0])
    if operation.between is not None:
        operation.between()
    if isinstance(setup, GeneratorType):
        assert next(setup, "done") == "done"


def test_each_practice_is_a_comparison_of_its_own():
    chosen = [source.component for source in select(["antipatterns"])]
    assert {component.name for component in chosen} == {component.name for component in COMPONENTS}
    assert {component.name: component.baseline for component in chosen} == {
        "antipatterns": "allocate",
        "antipatterns_lock": "lock",
        "antipatterns_print": "print",
        "antipatterns_branch": "branch",
    }
    assert all(component.on_request for component in COMPONENTS)


def test_both_orders_are_the_same_order():
    orders = [made(antipatterns.allocation, name) for name in antipatterns.allocation.variants]
    fields = []
    for operation in orders:
        order = operation.function(*operation.rows[0])
        fields.append((order.symbol_id, order.side, order.quantity, order.price))
    assert fields[0] == fields[1]


def test_all_lines_are_the_same_line(monkeypatch, tmp_path):
    from contextlib import contextmanager

    written = {}
    for name in antipatterns_print.printing.variants:
        path = tmp_path / name

        @contextmanager
        def kept(path=path):
            yield path

        monkeypatch.setattr(antipatterns_print, "log_file", kept)
        setup = made(antipatterns_print.printing, name)
        operation = next(setup)
        operation.function(*operation.rows[0])
        next(setup, None)
        written[name] = path.read_text().splitlines()[-1]
    assert written["print"] == written["print_buffered"] == "order AAPL qty 100 price 101.5"
    assert written["async_log"].endswith(written["print"])  # behind time and level, which it adds


def test_both_sums_are_the_sum_of_the_rises():
    rises = sum(change for change in antipatterns_branch.changes().tolist() if change > 0)
    for name in antipatterns_branch.branch.variants:
        operation = made(antipatterns_branch.branch, name)
        assert operation.items == antipatterns_branch.CHANGES
        assert operation.function() == pytest.approx(rises, rel=1e-12)


def test_the_branch_cannot_be_guessed():
    signs = antipatterns_branch.changes() > 0
    assert 0.45 < signs.mean() < 0.55
    assert 0.45 < np.mean(signs[1:] != signs[:-1]) < 0.55
