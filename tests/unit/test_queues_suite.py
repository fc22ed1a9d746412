"""Every variant of the queues' suite moves what it says it moves, and ends what it started."""

import os
import threading
from importlib.util import find_spec
from types import GeneratorType

import pytest

from latencykit.suite import as_operation
from latencykit.suites import queues, queues_native, queues_threads

COMPONENTS = [queues.queues, queues_threads.queues_threads, queues_native.queues_native]
VARIANTS = [(component, name) for component in COMPONENTS for name in component.variants]
ALLOWED = os.sched_getaffinity(0)


@pytest.mark.parametrize(("component", "name"), VARIANTS, ids=lambda v: v if isinstance(v, str) else v.name)
def test_a_variant_runs_and_cleans_up(component, name):
    variant = component.variants[name]
    if variant.peer is not None and find_spec(variant.peer.replace("-", "_")) is None:
        pytest.skip(f"{variant.peer} is not installed")
    if component is not queues.queues and len(ALLOWED) < 2:
        pytest.skip("this machine lends us one CPU only")
    threads = threading.active_count()
    made = variant.setup()
    operation = as_operation(next(made) if isinstance(made, GeneratorType) else made)
    for _ in range(20):
        operation.function(*operation.rows[0])
    if isinstance(made, GeneratorType):
        assert next(made, "done") == "done"
    assert threading.active_count() == threads
    assert os.sched_getaffinity(0) == ALLOWED


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_the_same_names_mean_the_same_in_each(component):
    assert component.baseline == "mutex"
    assert {"mutex", "lockfree", "mpmc", "unbounded"} <= set(component.variants)
    for claim in component.claims:
        assert {claim.worse, claim.better} <= set(component.variants)
