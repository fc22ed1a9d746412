import select
import signal
import threading
from pathlib import Path

import pytest

from latencykit.measuring.interrupts import Interrupts

OPEN = Path("/proc/self/fd")


def noted(interrupts):
    return bool(select.select([interrupts.descriptor], [], [], 0)[0])


@pytest.mark.parametrize("times", [1, 100_000])
def test_ctrl_c_is_noted_and_raises_again_afterwards(times):
    with Interrupts() as interrupts:
        assert not noted(interrupts)
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        assert noted(interrupts)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_another_handler_is_left_alone(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        with Interrupts() as interrupts:
            assert signal.getsignal(signal.SIGINT) is handler
            signal.raise_signal(signal.SIGINT)
            assert not noted(interrupts)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_changes_nothing():
    seen = []

    def enter():
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


@pytest.mark.skipif(not OPEN.is_dir(), reason="this system does not list open descriptors")
def test_no_descriptor_is_left_open():
    before = len(list(OPEN.iterdir()))
    for _ in range(10):
        with Interrupts():
            pass
    assert len(list(OPEN.iterdir())) == before
