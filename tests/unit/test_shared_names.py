"""Names of shared memory that lead to something else: rings and books say what it is and how to be rid of it."""

import os
import socket

import pytest
from shared_names import file_of, new_name

from latencykit.engine import OrderBook, SharedRing
from latencykit.errors import DataError

pytestmark = pytest.mark.skipif(not file_of("").is_dir(), reason="shared memory has no folder here")


@pytest.fixture
def name():
    with new_name() as name:
        yield name


def opening(name):
    return [
        lambda: SharedRing.attach(name),
        lambda: SharedRing.create(name, "f8", 4),
        lambda: OrderBook.attach(name),
        lambda: OrderBook.create(name, "AAPL", 4),
    ]


@pytest.mark.parametrize("kind", [SharedRing, OrderBook])
def test_a_folder_is_named_and_left(name, kind):
    file_of(name).mkdir()
    try:
        for call in [*opening(name), lambda: kind.remove(name)]:
            with pytest.raises(DataError, match=f"is a folder; .*delete the folder.*/dev/shm/{name}"):
                call()
        assert file_of(name).is_dir()
    finally:
        file_of(name).rmdir()


@pytest.mark.parametrize("kind", [SharedRing, OrderBook])
def test_a_link_is_not_followed_and_can_be_removed(name, kind, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"untouched")
    file_of(name).symlink_to(target)
    for call in opening(name):
        with pytest.raises(DataError, match=r"is a link.*(SharedRing|OrderBook)\.remove"):
            call()
    assert kind.remove(name) is True
    assert not file_of(name).is_symlink()
    assert target.read_bytes() == b"untouched"


@pytest.mark.parametrize("kind", [SharedRing, OrderBook])
def test_a_socket_is_named_and_can_be_removed(name, kind):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(file_of(name)))
        for call in opening(name):
            with pytest.raises(DataError, match="is a socket"):
                call()
    assert kind.remove(name) is True
    assert kind.remove(name) is False


@pytest.mark.parametrize("kind", [SharedRing, OrderBook])
def test_a_pipe_is_refused_left_alone_and_can_be_removed(name, kind):
    os.mkfifo(file_of(name))
    for call in opening(name):
        with pytest.raises(DataError, match="holds something else"):
            call()
        assert file_of(name).is_fifo()
    assert kind.remove(name) is True
