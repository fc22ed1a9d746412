import gc
import os
import threading
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from fake_system import FakeLinux

from latencykit.engine import CpuPinning, pinned_threads
from latencykit.engine.pinned_threads import PinnedThreads
from latencykit.engine.residency import RealTime
from latencykit.errors import (
    InvalidStateError,
    InvalidTypeError,
    InvalidValueError,
    LatencykitWarning,
    UnsupportedError,
)

ALLOWED = sorted(os.sched_getaffinity(0))
two_cpus = pytest.mark.skipif(len(ALLOWED) < 2, reason="this machine lends us one CPU only")


@pytest.fixture(autouse=True)
def _affinity_is_left_as_it_was():
    before = os.sched_getaffinity(0)
    yield
    assert os.sched_getaffinity(0) == before


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Return a Linux with CPUs 0-3 that takes the place of this system."""
    system = FakeLinux(tmp_path)
    monkeypatch.setattr(pinned_threads, "_process", PinnedThreads(system.linux_affinity(), RealTime(system, tmp_path)))
    return system


class Worker:
    """A thread that does what it is given, one thing after the other, until it is ended."""

    def __init__(self, name="worker"):
        self._todo = self._error = None
        self._given, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self._work, name=name, daemon=True)
        self.thread.start()
        self.number = self.thread.native_id

    def _work(self):
        while True:
            self._given.acquire()
            if self._todo is None:
                return
            try:
                self._todo()
            except Exception as error:  # noqa: BLE001 - raised again by who gave it
                self._error = error
            self._done.release()

    def do(self, function, *args, **options):
        self._todo, self._error = lambda: function(*args, **options), None
        self._given.release()
        self._done.acquire()
        if self._error is not None:
            raise self._error

    def end(self):
        if self.thread.is_alive():
            self._todo = None
            self._given.release()
            self.thread.join()


@contextmanager
def working(fake=None, name="worker"):
    worker = Worker(name)
    if fake is not None:
        fake.start(worker.number)
    try:
        yield worker
    finally:
        worker.end()


# On this machine


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
    with working() as worker:
        assert os.sched_getaffinity(worker.number) == {ALLOWED[0]}
        worker.do(os.sched_setaffinity, 0, ALLOWED[:2])
        worker.do(pinning.pin_current_thread, ALLOWED[1])
        assert os.sched_getaffinity(worker.number) == {ALLOWED[1]}
        pinning.restore()
        assert os.sched_getaffinity(worker.number) == set(ALLOWED[:2])


@two_cpus
def test_a_thread_that_a_pinned_one_started_may_be_pinned_elsewhere():
    with CpuPinning(ALLOWED[:1]), working() as worker:
        assert os.sched_getaffinity(worker.number) == {ALLOWED[0]}
        worker.do(lambda: CpuPinning(ALLOWED[1:2]).pin_current_thread(ALLOWED[1]))
        assert os.sched_getaffinity(worker.number) == {ALLOWED[1]}


@two_cpus
def test_nested_pinnings_of_this_machine_are_undone_in_the_wrong_order():
    before = os.sched_getaffinity(0)
    outer, inner = CpuPinning(ALLOWED), CpuPinning(ALLOWED)
    outer.pin_current_thread(ALLOWED[0])
    inner.pin_current_thread(ALLOWED[1])
    outer.restore()
    assert os.sched_getaffinity(0) == {ALLOWED[1]}
    inner.restore()
    assert os.sched_getaffinity(0) == before


def test_a_thread_that_has_ended_is_passed_over_and_frees_its_cpu():
    pinning = CpuPinning(ALLOWED)
    with working() as worker:
        worker.do(pinning.pin_current_thread, ALLOWED[0])
    pinning.pin_current_thread(ALLOWED[0])
    pinning.restore()


def test_restores_when_the_body_raises():
    with pytest.raises(KeyError), CpuPinning(ALLOWED):
        raise KeyError


def test_a_forked_child_gives_its_own_thread_back_and_leaves_the_parents_alone():
    reading, writing = os.pipe()
    before = os.sched_getaffinity(0)
    with CpuPinning(ALLOWED[:1]) as pinning:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads that others left running
            child = os.fork()
        if child == 0:
            inherited = os.sched_getaffinity(0)
            pinning.restore()
            good = inherited == {ALLOWED[0]} and os.sched_getaffinity(0) == before
            os.write(writing, b"good" if good else b"bad")
            os._exit(0)
        os.waitpid(child, 0)
        assert os.sched_getaffinity(0) == {ALLOWED[0]}
    assert os.read(reading, 10) == b"good"
    os.close(reading)
    os.close(writing)


@two_cpus
def test_a_cpu_that_the_kernel_refuses(monkeypatch):
    def refuse(thread, cores):
        raise OSError(22, "Invalid argument")

    pinning = CpuPinning(ALLOWED)
    with monkeypatch.context() as patch:
        patch.setattr(os, "sched_setaffinity", refuse)
        with pytest.raises(InvalidValueError, match=r"cannot be pinned to \(Invalid argument\); choose another"):
            pinning.pin_current_thread(ALLOWED[0])
    pinning.restore()


def test_a_system_without_affinity(monkeypatch):
    monkeypatch.setattr(pinned_threads, "_process", None)
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(UnsupportedError, match="cannot pin a thread"):
        CpuPinning([0])


# Bad input


@pytest.mark.parametrize("core", [-1, 100_000])
def test_a_cpu_that_does_not_exist(core):
    with pytest.raises(InvalidValueError, match=rf"CPU {core} does not exist: .* choose from {ALLOWED[0]}"):
        CpuPinning([core])


@pytest.mark.parametrize("core", ["0", 0.0, float("nan"), None, True])
def test_a_cpu_that_is_no_number(core, fake):
    with pytest.raises(InvalidTypeError, match="is not an integer"):
        CpuPinning([core])
    with pytest.raises(InvalidTypeError, match="is not an integer"):
        CpuPinning([0, 1]).pin_current_thread(core)
    with pytest.raises(InvalidTypeError, match="is not an integer"):
        CpuPinning([0, 1]).siblings(core)


@pytest.mark.parametrize("cores", [0, None, "0,1", 1.5])
def test_cpus_that_are_no_list(cores, fake):
    with pytest.raises(InvalidTypeError, match=r"is not a list of CPU numbers; pass one such as \[0\]"):
        CpuPinning(cores)


def test_no_cpu_at_all(fake):
    with pytest.raises(InvalidValueError, match="no CPU to pin to"):
        CpuPinning([])


def test_a_cpu_that_is_named_twice(fake):
    with pytest.raises(InvalidValueError, match="CPU 1 is named twice"):
        CpuPinning([0, 1, 1])


def test_a_cpu_that_was_not_named(fake):
    with pytest.raises(InvalidValueError, match="CPU 1 is not among the CPUs 0, 2-3 of this pinning"):
        CpuPinning([0, 2, 3]).pin_current_thread(1)


def test_numbers_of_numpy_are_numbers(fake):
    with CpuPinning(np.arange(2, 4)):
        assert fake.sched_getaffinity(0) == {2}


@pytest.mark.parametrize("option", ["lock_memory", "hold_cpu_latency"])
def test_a_switch_that_is_no_bool(option, fake):
    with pytest.raises(InvalidTypeError, match=f"{option} 1 is not a bool"):
        CpuPinning([0], **{option: 1})


@pytest.mark.parametrize(
    ("priority", "error"),
    [(True, InvalidTypeError), ("9", InvalidTypeError), (0, InvalidValueError), (100, InvalidValueError)],
)
def test_a_priority_out_of_range(priority, error, fake):
    with pytest.raises(error, match="pass 1 to 99"):
        CpuPinning([0], realtime_priority=priority)


# One CPU, one thread


def test_a_cpu_that_another_thread_is_pinned_to_is_refused(fake):
    producer, consumer = CpuPinning([0]), CpuPinning([0, 1])
    with producer, working(fake, name="consumer") as worker:
        with pytest.raises(
            InvalidValueError, match=r"CPU 0 has thread 'MainThread' .*\(free: 1-3\), or pass share=True"
        ):
            worker.do(consumer.pin_current_thread, 0)
        assert fake.affinity[worker.number] == {0, 1, 2, 3}
        worker.do(consumer.pin_current_thread, 1)
        assert fake.affinity[worker.number] == {1}


def test_a_cpu_may_be_shared_if_one_asks_for_it(fake):
    with CpuPinning([0]) as pinning, working(fake) as worker:
        worker.do(pinning.pin_current_thread, 0, share=True)
        assert fake.affinity[worker.number] == {0}


def test_with_on_a_taken_cpu_changes_nothing(fake):
    with working(fake) as worker:
        worker.do(CpuPinning([0]).pin_current_thread, 0)
        with pytest.raises(InvalidValueError, match="has thread 'worker' pinned"), CpuPinning([0]):
            pass
        assert fake.sched_getaffinity(0) == {0, 1, 2, 3}


def test_a_restored_thread_frees_its_cpu(fake):
    first, second = CpuPinning([0]), CpuPinning([0])
    with working(fake) as worker:
        worker.do(first.pin_current_thread, 0)
        first.restore()
        second.pin_current_thread(0)
        second.restore()


def test_moving_on_frees_the_cpu(fake):
    pinning = CpuPinning([0, 1])
    with working(fake) as worker:
        worker.do(pinning.pin_current_thread, 1)
        worker.do(pinning.pin_current_thread, 0)
        pinning.pin_current_thread(1)
    pinning.restore()


def test_a_cpu_that_a_thread_will_come_back_to_is_taken(fake):
    taken = pytest.raises(InvalidValueError, match="CPU 0 has thread 'MainThread'")
    with working(fake) as worker, CpuPinning([0]), CpuPinning([1]), taken:
        worker.do(CpuPinning([0]).pin_current_thread, 0)


def test_a_dropped_pinning_still_holds_its_cpu(fake):
    with working(fake) as worker:
        worker.do(lambda: CpuPinning([0]).pin_current_thread(0))
        gc.collect()
        with pytest.raises(InvalidValueError, match="has thread 'worker'"):
            CpuPinning([0]).pin_current_thread(0)


def test_siblings_are_told_and_allowed(fake):
    fake.write("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,2")
    pinning = CpuPinning([0, 2])
    assert pinning.siblings(0) == {2}
    assert pinning.siblings(1) == frozenset()
    with pinning, working(fake) as worker:
        worker.do(pinning.pin_current_thread, 2)


# What is given back


def test_a_number_that_another_thread_has_got_is_left_alone(fake):
    pinning = CpuPinning([0])
    with working(fake) as worker:
        worker.do(pinning.pin_current_thread, 0)
        fake.start(worker.number, at=101)
        fake.affinity[worker.number] = {3}
        pinning.restore()
        assert fake.affinity[worker.number] == {3}


def test_a_number_that_another_thread_has_got_does_not_take_the_cpu(fake):
    with working(fake) as worker:
        worker.do(CpuPinning([0]).pin_current_thread, 0)
        fake.start(worker.number, at=101)
        with CpuPinning([0]):
            pass


def test_a_thread_that_ends_while_it_is_restored_is_passed_over(fake):
    pinning = CpuPinning([0, 1])
    with working(fake) as worker:
        worker.do(pinning.pin_current_thread, 1)
        pinning.pin_current_thread(0)
        del fake.affinity[worker.number]  # its entry in /proc is still there
        pinning.restore()
    assert fake.sched_getaffinity(0) == {0, 1, 2, 3}


def test_cpus_that_went_away_are_named_and_the_rest_given_back(fake):
    pinning = CpuPinning([0])
    pinning.pin_current_thread(0)
    fake.take_away(2, 3)
    with pytest.warns(LatencykitWarning, match="'MainThread' had CPUs 0-3 and got only CPUs 0-1 back"):
        pinning.restore()
    assert fake.sched_getaffinity(0) == {0, 1}


def test_a_thread_none_of_whose_cpus_is_left_is_named_and_the_others_restored(fake):
    pinning = CpuPinning([0, 1])
    with working(fake) as worker:
        fake.sched_setaffinity(worker.number, {3})
        worker.do(pinning.pin_current_thread, 1)
        pinning.pin_current_thread(0)
        fake.take_away(3)
        with pytest.warns(LatencykitWarning) as told:
            pinning.restore()
        assert len(told) == 1
        assert "thread 'worker' stays as it is and does not get CPUs 3 back (Invalid argument)" in str(told[0].message)
        assert fake.affinity[worker.number] == {1}
        assert fake.sched_getaffinity(0) == {0, 1, 2}


def test_all_is_undone_before_a_warning_that_is_an_error(fake):
    with pytest.raises(LatencykitWarning), CpuPinning([0]):
        fake.take_away(3)
    assert fake.sched_getaffinity(0) == {0, 1, 2}
    with CpuPinning([1]):
        assert fake.sched_getaffinity(0) == {1}


def test_a_pinning_is_usable_again_after_its_end(fake):
    pinning = CpuPinning([1])
    for _ in range(2):
        with pinning:
            assert fake.sched_getaffinity(0) == {1}
        assert fake.sched_getaffinity(0) == {0, 1, 2, 3}


# Which limit it was


def test_a_cpu_that_is_offline(fake):
    fake.write("sys/devices/system/cpu/online", "0-2")
    with pytest.raises(InvalidValueError, match=r"CPU 3 is offline: only CPUs 0-2 are online; .*/cpu3/online"):
        CpuPinning([3])


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/app/x", {"app/x/cpuset.cpus.effective": "0-1"}),
        ("0::/app/x", {"app/cpuset.cpus.effective": "0-1", "cpuset.cpus.effective": "0-3"}),
        ("0::/../outside", {"cpuset.cpus.effective": "0-1"}),
        ("3:cpu:/\n2:cpuset:/app", {"cpuset/app/cpuset.effective_cpus": "0-1"}),
        ("2:cpuset:/as/the/host/sees/it\n0::/", {"cpuset/cpuset.effective_cpus": "0-1"}),
    ],
)
def test_a_cpu_outside_of_the_cpuset(groups, files, fake):
    fake.write("proc/self/cgroup", groups)
    for name, cpus in files.items():
        fake.write(f"sys/fs/cgroup/{name}", cpus)
    with pytest.raises(
        InvalidValueError, match=r"CPU 3 exists but this process's cpuset allows only 0-1; choose from 0-1"
    ):
        CpuPinning([0, 3])
    with CpuPinning([1]):
        pass


def test_a_cpu_that_the_process_was_not_started_for(fake):
    fake.affinity[fake.getpid()] = {1, 2}
    with pytest.raises(InvalidValueError, match="CPU 0 is not ours to pin to: this process was started for CPUs 1-2"):
        CpuPinning([0])


def test_a_machine_that_tells_nothing(fake):
    for name in ("present", "online"):
        (fake.root / "sys/devices/system/cpu" / name).unlink()
    with pytest.raises(InvalidValueError, match="CPU 9 is not ours to pin to"):
        CpuPinning([9])
    assert CpuPinning([0]).siblings(0) == frozenset()


def test_a_cpu_that_went_away_before_it_is_pinned_to(fake):
    pinning = CpuPinning([3])
    fake.take_away(3)
    fake.write("sys/devices/system/cpu/online", "0-2")
    with pytest.raises(InvalidValueError, match=r"CPU 3 cannot be pinned to \(Invalid argument\); CPU 3 is offline"):
        pinning.pin_current_thread(3)


def test_a_system_without_proc(fake):
    fake.end(fake.getpid())
    fake.affinity[fake.getpid()] = {0}
    with pytest.raises(UnsupportedError, match="needs /proc"):
        CpuPinning([0]).pin_current_thread(0)


# What is held beside


def test_a_real_time_priority_comes_and_goes_with_the_pinning(fake):
    fake.policy[fake.getpid()] = (2, 7)
    with CpuPinning([0], realtime_priority=50) as pinning:
        assert fake.policy[fake.getpid()] == (fake.SCHED_FIFO, 50)
        (hold,) = pinning.holds
        assert (hold.what, hold.granted) == ("realtime_priority", True)
        assert "'MainThread' runs under SCHED_FIFO at priority 50" in hold.reason
    assert fake.policy[fake.getpid()] == (2, 7)
    assert pinning.holds == ()


def test_real_time_priorities_are_undone_in_the_wrong_order(fake):
    outer, inner = CpuPinning([0], realtime_priority=10), CpuPinning([1])
    outer.pin_current_thread(0)
    inner.pin_current_thread(1)
    outer.restore()
    assert fake.policy[fake.getpid()] == (fake.SCHED_OTHER, 0)
    assert fake.sched_getaffinity(0) == {1}
    inner.restore()
    assert fake.sched_getaffinity(0) == {0, 1, 2, 3}


def test_a_refused_priority_is_told_once_and_the_thread_is_pinned(fake, monkeypatch):
    def refuse(number, policy, priority):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(fake, "sched_setscheduler", refuse)
    pinning = CpuPinning([0, 1], realtime_priority=10)
    with pytest.warns(LatencykitWarning, match=r"realtime_priority was refused: Operation not permitted for thread"):
        pinning.pin_current_thread(0)
    pinning.pin_current_thread(1)
    assert fake.sched_getaffinity(0) == {1}
    (hold,) = pinning.holds
    assert not hold.granted
    assert "RLIMIT_RTPRIO" in hold.reason
    assert "CAP_SYS_NICE" in hold.remedy
    pinning.restore()
    assert fake.sched_getaffinity(0) == {0, 1, 2, 3}


def test_with_undoes_all_when_the_warning_is_an_error(fake, monkeypatch):
    monkeypatch.delattr(FakeLinux, "SCHED_FIFO")
    with pytest.raises(LatencykitWarning, match="only Linux does"), CpuPinning([0], realtime_priority=10):
        pass
    assert fake.sched_getaffinity(0) == {0, 1, 2, 3}


def test_nothing_is_held_that_was_not_asked_for(fake):
    with CpuPinning([0]) as pinning:
        assert pinning.holds == ()


def test_a_thread_that_was_joined_is_over_though_the_kernel_still_has_it(fake):
    pinning = CpuPinning([1])
    with working(fake) as worker:  # the fake system goes on to have this thread
        worker.do(pinning.pin_current_thread, 1)
    with pinning:
        assert fake.sched_getaffinity(0) == {1}


def test_a_pinning_is_not_nested_in_itself(fake):
    with CpuPinning([1]) as pinning:
        with pytest.raises(InvalidStateError, match="make another CpuPinning to nest it"), pinning:
            pass
        assert fake.sched_getaffinity(0) == {1}
    with pinning:
        assert fake.sched_getaffinity(0) == {1}
    assert fake.sched_getaffinity(0) == {0, 1, 2, 3}


def test_a_with_statement_that_fails_leaves_what_was_pinned_before(fake):
    pinning = CpuPinning([1, 2])
    with working(fake) as worker:
        worker.do(pinning.pin_current_thread, 1)
        with pytest.raises(InvalidValueError, match="CPU 1 has thread 'worker' pinned to it"), pinning:
            pass
        assert fake.sched_getaffinity(worker.number) == {1}
        pinning.restore()
        with pinning:
            assert fake.sched_getaffinity(0) == {1}
