import os
import threading

import pytest

from latencykit.engine import CpuPinning
from latencykit.errors import InvalidTypeError, InvalidValueError, UnsupportedError

ALLOWED = sorted(os.sched_getaffinity(0))
two_cpus = pytest.mark.skipif(len(ALLOWED) < 2, reason="this machine lends us one CPU only")


@pytest.fixture(autouse=True)
def _affinity_is_left_as_it_was():
    before = os.sched_getaffinity(0)
    yield
    assert os.sched_getaffinity(0) == before


@two_cpus
def test_with_pins_to_the_first_cpu_and_restores():
    with CpuPinning(ALLOWED[:2][::-1]):
        assert os.sched_getaffinity(0) == {ALLOWED[1]}


@two_cpus
def test_pinning_again_still_restores_what_was_before_the_first():
    pinning = CpuPinning(ALLOWED)
    pinning.pin_current_thread(ALLOWED[0])
    pinning.pin_current_thread(ALLOWED[1])
    assert os.sched_getaffinity(0) == {ALLOWED[1]}
    pinning.restore()
    pinning.restore()


@two_cpus
def test_each_thread_gets_its_own_cpus_back():
    pinning = CpuPinning(ALLOWED)
    pinning.pin_current_thread(ALLOWED[0])
    seen = []

    def other():
        seen.append(os.sched_getaffinity(0))
        os.sched_setaffinity(0, ALLOWED[:2])
        pinning.pin_current_thread(ALLOWED[1])
        seen.append(os.sched_getaffinity(0))
        pinned.set()
        restored.wait()
        seen.append(os.sched_getaffinity(0))

    pinned, restored = threading.Event(), threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    pinned.wait()
    pinning.restore()
    restored.set()
    thread.join()
    assert seen == [{ALLOWED[0]}, {ALLOWED[1]}, set(ALLOWED[:2])]


def test_a_thread_that_has_ended_is_passed_over():
    pinning = CpuPinning(ALLOWED)
    thread = threading.Thread(target=pinning.pin_current_thread, args=ALLOWED[:1])
    thread.start()
    thread.join()
    pinning.restore()


def test_restores_when_the_body_raises():
    with pytest.raises(KeyError), CpuPinning(ALLOWED):
        raise KeyError


@pytest.mark.parametrize("core", [-1, 100_000])
def test_a_cpu_that_is_not_ours(core):
    with pytest.raises(InvalidValueError, match=rf"CPU {core} is not ours to pin to; choose from {ALLOWED[0]}"):
        CpuPinning([core])


@pytest.mark.parametrize("core", ["0", 0.0, None, True])
def test_a_cpu_that_is_no_number(core):
    with pytest.raises(InvalidTypeError, match="is not an integer"):
        CpuPinning([core])


def test_no_cpu_at_all():
    with pytest.raises(InvalidValueError, match="no CPU to pin to"):
        CpuPinning([])


def test_a_cpu_that_was_not_named():
    with pytest.raises(InvalidValueError, match="is not among the CPUs"):
        CpuPinning(ALLOWED[:1]).pin_current_thread(ALLOWED[0] + 1)


@two_cpus
def test_a_cpu_that_was_taken_away_meanwhile(monkeypatch):
    def refuse(thread, cores):
        raise OSError(22, "Invalid argument")

    pinning = CpuPinning(ALLOWED)
    with monkeypatch.context() as patch:
        patch.setattr(os, "sched_setaffinity", refuse)
        with pytest.raises(InvalidValueError, match=r"cannot be pinned to \(Invalid argument\)"):
            pinning.pin_current_thread(ALLOWED[0])
    pinning.restore()


def test_a_system_without_affinity(monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(UnsupportedError, match="cannot pin a thread"):
        CpuPinning([0])
