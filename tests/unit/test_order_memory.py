"""Where an arena's memory comes from, and what it says when it cannot have it; poison mode."""

import ctypes
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from latencykit.engine import BUY, ORDER_DTYPE, SELL, OrderArena
from latencykit.errors import CapacityError, InvalidStateError, InvalidTypeError, InvalidValueError, UnsupportedError

ORDER = (7, SELL, 100, 101.5)
ON_LINUX = sys.platform == "linux"
ONLINE = Path("/sys/devices/system/node/online")
HAS_NODES = ONLINE.exists() and ONLINE.read_text().startswith("0")
FREE_HUGE_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")


def free_huge_pages():
    return int(FREE_HUGE_PAGES.read_text()) if FREE_HUGE_PAGES.exists() else 0


def run_alone(script, tmp_path):
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )


def test_the_settings_can_be_read_back():
    usual = OrderArena(1)
    assert (usual.on_exhausted, usual.prefault, usual.huge_pages, usual.numa_node, usual.poison) == (
        "raise",
        True,
        "advise",
        None,
        False,
    )
    other = OrderArena(1, "grow", prefault=False, huge_pages="off", poison=True)
    assert (other.on_exhausted, other.prefault, other.huge_pages, other.poison) == ("grow", False, "off", True)
    with pytest.raises(AttributeError):
        other.poison = False


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"prefault": 1}, InvalidTypeError, "prefault must be True or False, not 1"),
        ({"poison": "yes"}, InvalidTypeError, "poison must be True or False, not 'yes'"),
        ({"huge_pages": "always"}, InvalidValueError, "huge_pages='always' is unknown; use 'advise', 'off' or"),
        ({"huge_pages": None}, InvalidValueError, "huge_pages=None is unknown"),
        ({"huge_pages": "require", "prefault": False}, InvalidValueError, "drop one of the two"),
        ({"numa_node": "0"}, InvalidTypeError, "numa_node must be the number of a node or None, not '0'"),
        ({"numa_node": True}, InvalidTypeError, "numa_node must be the number of a node or None, not True"),
        ({"numa_node": 0.0}, InvalidTypeError, "numa_node must be the number"),
    ],
)
def test_a_bad_setting_is_refused(settings, error, message):
    with pytest.raises(error, match=message):
        OrderArena(1, **settings)


@pytest.mark.parametrize("settings", [{"prefault": False}, {"huge_pages": "off"}, {"poison": True}])
@pytest.mark.parametrize("policy", ["raise", "grow", "recycle"])
def test_every_kind_of_arena_does_the_same(policy, settings):
    arena = OrderArena(100, policy, **settings)
    rows = arena.orders
    assert not rows["handle"].any()
    orders = [arena.create(i, BUY, i + 1, 1.0) for i in range(100)]
    assert [order.quantity for order in orders] == rows["quantity"].tolist() == list(range(1, 101))
    for order in orders[::2]:
        arena.release(order)
    again = [arena.create(i, SELL, 5, 2.0) for i in range(50)]
    assert arena.in_use == 100
    assert all(order.alive for order in again + orders[1::2])
    assert not any(order.alive for order in orders[::2])


def present_pages(arena):
    """How many pages of the slots are in memory, by mincore(2)."""
    rows = arena.orders
    bytes_, page = rows.nbytes, os.sysconf("SC_PAGESIZE")
    present = (ctypes.c_ubyte * -(-bytes_ // page))()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mincore(ctypes.c_void_p(rows.ctypes.data), ctypes.c_size_t(bytes_), present) == 0
    return sum(flag & 1 for flag in present), len(present)


@pytest.mark.skipif(not ON_LINUX, reason="mincore as Linux has it")
def test_prefault_says_who_meets_the_page_faults():
    touched, pages = present_pages(OrderArena(10_000))
    assert touched == pages
    lazy = OrderArena(10_000, prefault=False)
    assert present_pages(lazy)[0] == 0
    lazy.create(*ORDER)
    assert 1 <= present_pages(lazy)[0] < pages
    grown = OrderArena(10_000, "grow")
    for _ in range(10_001):
        grown.create(*ORDER)
    touched, pages = present_pages(grown)
    assert (grown.capacity, touched) == (20_000, pages)


# The limit on address space makes a missing check fail here instead of filling this machine's memory.
HUGE_SCRIPT = """
import resource
from latencykit.engine import OrderArena
from latencykit.errors import CapacityError
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
try:
    OrderArena(2**32)
except CapacityError as error:
    print(error)
"""


@pytest.mark.skipif(not ON_LINUX, reason="/proc/meminfo")
def test_memory_that_is_not_there_is_refused_before_it_is_touched(tmp_path):
    done = run_alone(HUGE_SCRIPT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "too little memory is left for an arena of 4294967296 orders" in done.stdout
    assert "prefault=False" in done.stdout


def test_address_space_that_is_refused_is_an_error_of_ours(tmp_path):
    done = run_alone(HUGE_SCRIPT.replace("OrderArena(2**32)", "OrderArena(2**32, prefault=False)"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the system refused the memory for an arena of 4294967296 orders" in done.stdout


def vm_flags(address):
    """The flags of the mapping that holds an address, from /proc/self/smaps."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "VmFlags:" and inside:
            return rest.split()
        if not word.endswith(":"):
            begin, end = (int(part, 16) for part in word.split("-"))
            inside = begin <= address < end
    return []


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists(), reason="no transparent huge pages"
)
def test_huge_pages_are_advised_or_forbidden():
    advised = OrderArena(100_000, prefault=False)
    assert "hg" in vm_flags(advised.orders.ctypes.data)
    assert advised.orders.ctypes.data % (2 << 20) == 0
    off = OrderArena(100_000, prefault=False, huge_pages="off")
    flags = vm_flags(off.orders.ctypes.data)
    assert "nh" in flags
    assert "hg" not in flags


@pytest.mark.skipif(not ON_LINUX, reason="huge pages of Linux")
def test_required_huge_pages_are_had_or_refused():
    if not FREE_HUGE_PAGES.exists():
        with pytest.raises(UnsupportedError, match="this kernel cannot set aside"):
            OrderArena(1, huge_pages="require")
    elif free_huge_pages() < 2:
        with pytest.raises(CapacityError, match=r"too few pages of 2 MiB set aside: \d+ are free.*vm.nr_hugepages"):
            OrderArena(1, huge_pages="require")
    else:
        arena = OrderArena(10_000, huge_pages="require")
        assert arena.huge_pages == "require"
        assert "ht" in vm_flags(arena.orders.ctypes.data)
        assert arena.create(*ORDER).alive


@pytest.mark.skipif(not HAS_NODES, reason="no NUMA nodes")
@pytest.mark.parametrize("wrong", [-1, 1023, 10**6, 2**70, -(2**70)])
def test_a_node_that_is_not_there_is_refused_with_those_that_are(wrong):
    with pytest.raises(InvalidValueError, match=rf"numa_node={wrong} is not a node .* there is 0"):
        OrderArena(1, numa_node=wrong)


def memory_policy(address):
    """The mode and the first 64 nodes of an address's policy, by get_mempolicy(2)."""
    number = {"x86_64": 239, "aarch64": 236}.get(platform.machine())
    if number is None:
        pytest.skip("the number of get_mempolicy is not known here")
    mode, nodes = ctypes.c_int(), (ctypes.c_ulong * 16)()
    of_address = 2
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.syscall(
        number, ctypes.byref(mode), nodes, ctypes.c_ulong(1024), ctypes.c_void_p(address), ctypes.c_ulong(of_address)
    )
    if failed:
        pytest.skip(f"get_mempolicy is denied: {os.strerror(ctypes.get_errno())}")
    return mode.value, nodes[0]


@pytest.mark.skipif(not HAS_NODES, reason="no NUMA nodes")
@pytest.mark.parametrize("capacity", [1, 100_000])
def test_a_node_is_preferred(capacity):
    try:
        arena = OrderArena(capacity, "grow", numa_node=0)
    except UnsupportedError as error:
        pytest.skip(str(error))
    preferred = 1
    assert memory_policy(arena.orders.ctypes.data) == (preferred, 1 << 0)
    for _ in range(capacity + 1):
        arena.create(*ORDER)
    grown = arena.orders
    assert memory_policy(grown.ctypes.data + grown.nbytes - 64) == (preferred, 1 << 0)
    assert arena.numa_node == 0
    assert memory_policy(OrderArena(1).orders.ctypes.data) == (0, 0)


# Lets every system call pass but mbind (237 on x86-64), which gets an errno: what a container's filter does.
FILTER_SCRIPT = """
import ctypes, struct
from latencykit.engine import OrderArena
from latencykit.errors import UnsupportedError
def instruction(code, k, jt=0, jf=0):
    return struct.pack("HBBI", code, jt, jf, k)
program = b"".join([
    instruction(0x20, 0),
    instruction(0x15, 237, 0, 1),
    instruction(0x06, 0x00050000 | ERRNO),
    instruction(0x06, 0x7FFF0000),
])
buffer = ctypes.create_string_buffer(program)
filter_ = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
if libc.prctl(22, 2, filter_, 0, 0) != 0:
    print("no filter")
    raise SystemExit
assert OrderArena(1).create(1, 0, 1, 1.0).alive
try:
    OrderArena(1, numa_node=0)
except UnsupportedError as error:
    print(error)
"""


@pytest.mark.skipif(not HAS_NODES or platform.machine() != "x86_64", reason="no NUMA nodes, or other call numbers")
@pytest.mark.parametrize(
    ("errno", "reason"), [(1, "mbind is denied to this process"), (38, "this kernel has no NUMA support")]
)
def test_a_node_that_may_not_be_chosen_is_refused(errno, reason, tmp_path):
    done = run_alone(FILTER_SCRIPT.replace("ERRNO", str(errno)), tmp_path)
    assert done.returncode == 0, done.stderr
    if done.stdout == "no filter\n":
        pytest.skip("this system takes no filter of system calls")
    assert f"numa_node=0 cannot be chosen: {reason}" in done.stdout


def write(arena, slot, field, value, kind):
    """Write into a slot as native code does that kept its address."""
    offset = ORDER_DTYPE.fields[field][1]
    kind.from_address(arena.orders.ctypes.data + 64 * slot + offset).value = value


@pytest.mark.parametrize(
    ("field", "value", "kind", "bits"),
    [
        ("price", 3.5, ctypes.c_double, "0x400c000000000000"),
        ("quantity", 5, ctypes.c_int64, "0x5"),
        ("symbol_id", 9, ctypes.c_uint32, "0x9"),
        ("side", 1, ctypes.c_uint8, "0x1"),
        ("in_use", 1, ctypes.c_uint8, "0x1"),
        ("handle", 9, ctypes.c_uint64, "0x9"),
    ],
)
def test_a_write_into_a_free_slot_is_found(field, value, kind, bits):
    arena = OrderArena(3, poison=True)
    kept, other = arena.create(*ORDER), arena.create(*ORDER)
    arena.release(kept)
    write(arena, 0, field, value, kind)
    message = f"slot 0 was written to while no order was in it: the bits of {field} are {bits} and not 0x"
    for _ in range(2):
        with pytest.raises(InvalidStateError, match=message):
            arena.create(*ORDER)
    with pytest.raises(InvalidStateError, match=message):
        arena.verify()
    assert arena.in_use == 1
    assert other.quantity == 100
    arena.release(other)
    with pytest.raises(InvalidStateError, match=message):
        arena.create(*ORDER)


def test_a_write_into_a_slot_that_was_never_used_is_found():
    arena = OrderArena(3, poison=True)
    assert arena.verify() == 3
    write(arena, 2, "price", 1.5, ctypes.c_double)
    arena.create(*ORDER)
    arena.create(*ORDER)
    with pytest.raises(InvalidStateError, match=r"slot 2 was written to .* its price reads 1\.5"):
        arena.create(*ORDER)


def test_without_poison_nothing_is_marked():
    arena = OrderArena(1)
    arena.release(arena.create(*ORDER))
    assert arena.orders["price"][0] == 101.5
    write(arena, 0, "price", 3.5, ctypes.c_double)
    assert arena.create(*ORDER).price == 101.5
    with pytest.raises(InvalidStateError, match="make it with poison=True"):
        arena.verify()


def test_a_poisoned_slot_shows_no_order():
    arena = OrderArena(2, poison=True)
    order = arena.create(*ORDER)
    arena.release(order)
    row = arena.orders[0]
    assert math.isnan(row["price"])
    assert row["quantity"] < 0
    assert not row["in_use"]
    assert arena.verify() == 2
    with pytest.raises(InvalidStateError, match="is over"):
        order.price  # noqa: B018 - the read is what raises


def test_writes_into_an_order_in_use_are_not_poison():
    arena = OrderArena(1, poison=True)
    order = arena.create(*ORDER)
    write(arena, 0, "quantity", 5, ctypes.c_int64)
    assert order.quantity == 5
    arena.release(order)
    assert arena.create(*ORDER).alive
