import gc
import os

import pytest

from latencykit.errors import UsageError
from latencykit.measuring import conditions
from latencykit.measuring.conditions import allowed_cpus, choose_cpu, collector, pinned

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin threads")


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("policy", "during"), [("off", False), ("on", True)])
def test_the_collector_is_put_back_as_it_was(policy, during, before, error):
    was = gc.isenabled()
    gc.enable() if before else gc.disable()
    try:
        with pytest.raises(error), collector(policy):  # noqa: PT012 - what holds inside is asked
            assert gc.isenabled() is during
            raise error
        assert gc.isenabled() is before
    finally:
        gc.enable() if was else gc.disable()


@needs_affinity
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_thread_gets_its_cpus_back(error):
    before = os.sched_getaffinity(0)
    with pytest.raises(error), pinned(max(before)):  # noqa: PT012 - what holds inside is asked
        assert os.sched_getaffinity(0) == {max(before)}
        raise error
    assert os.sched_getaffinity(0) == before


@needs_affinity
def test_a_cpu_that_is_not_ours():
    before = os.sched_getaffinity(0)
    with pytest.raises(UsageError, match="CPU 99999 is not ours to pin; the allowed CPUs are: "):
        choose_cpu(99_999)
    with pytest.raises(UsageError, match="CPU 99999 cannot be pinned to: "), pinned(99_999):
        pass
    assert os.sched_getaffinity(0) == before


def test_the_highest_allowed_cpu_is_chosen(monkeypatch):
    monkeypatch.setattr(conditions, "allowed_cpus", lambda: frozenset({1, 3, 2}))
    assert choose_cpu(None) == 3
    assert choose_cpu(1) == 1


def test_where_threads_cannot_be_pinned(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert allowed_cpus() == frozenset()
    assert choose_cpu(None) is None
    with pytest.raises(UsageError, match="none \\(this system cannot pin threads\\)"):
        choose_cpu(0)
    with pinned(None):
        pass
