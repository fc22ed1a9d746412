"""References and memory of the bound types: nothing leaks, and the hot path asks for nothing."""

import gc
import subprocess
import sys

import pytest
from leaks import blocks_after

from latencykit._core import Operation
from latencykit.engine import BUY, Order, OrderArena
from latencykit.errors import InvalidValueError

ORDER = (7, BUY, 100, 101.5)


def references():
    return sys.getrefcount(Order), sys.getrefcount(OrderArena)


def test_each_view_holds_its_arena_and_its_type():
    arena = OrderArena(10)
    held, types = sys.getrefcount(arena), sys.getrefcount(Order)
    views = [arena.create(*ORDER) for _ in range(5)]
    views.append(arena.view(views[0].handle))
    assert sys.getrefcount(arena) == held + 6
    assert sys.getrefcount(Order) == types + 6
    views.clear()
    assert sys.getrefcount(arena) == held
    assert sys.getrefcount(Order) == types


def test_arenas_give_back_their_types():
    before = references()
    for _ in range(50):
        arena = OrderArena(3)
        arena.create(*ORDER)
    del arena
    assert references() == before


def test_the_array_holds_the_arena():
    arena = OrderArena(2)
    held = sys.getrefcount(arena)
    rows = arena.orders
    column = rows["price"]
    assert sys.getrefcount(arena) == held + 1
    del rows
    assert sys.getrefcount(arena) == held + 1
    del column
    assert sys.getrefcount(arena) == held


def test_the_hot_path_asks_the_interpreter_for_no_memory():
    arena = OrderArena(1_000, on_exhausted="recycle")
    create = arena.create
    assert blocks_after(lambda: create(7, BUY, 100, 101.5), 5_000) <= 2
    assert arena.allocations == 0


def test_no_allocator_is_asked_on_the_hot_path():
    hot, walked, recycled = OrderArena(10_000), OrderArena(10_000), OrderArena(100, on_exhausted="recycle")
    release, create = hot.release, hot.create

    def create_and_release():
        release(create(*ORDER))

    for function, arguments in ((create_and_release, ()), (walked.create, ORDER), (recycled.create, ORDER)):
        counts = Operation(function, [arguments]).count_allocations(9_000)
        assert {counts["raw"], counts["mem"], counts["object"]} == {0}, function
        assert not counts["malloc"], function  # None where malloc cannot be watched.
    assert (hot.allocations, walked.allocations, recycled.allocations) == (0, 0, 0)
    assert walked.high_water == 9_000


def test_the_counter_would_have_seen_an_allocation():
    arena = OrderArena(100)

    def box_the_handle():
        order = arena.create(*ORDER)
        arena.release(order)
        return order.handle

    assert Operation(box_the_handle, [()]).count_allocations(50)["object"] >= 50
    growing = OrderArena(1, on_exhausted="recycle")
    kept = []

    def keep_stale_views():
        kept.extend([growing.create(*ORDER) for _ in range(200)])

    counts = Operation(keep_stale_views, [()]).count_allocations(1)
    assert sum(count or 0 for count in counts.values()) > 0
    assert growing.allocations > 0


def test_create_and_release_reuse_one_slot_and_one_view():
    arena = OrderArena(10)
    seen = set()
    for _ in range(1_000):
        order = arena.create(*ORDER)
        seen.add(id(order))
        arena.release(order)
        del order
    assert len(seen) == 1
    assert (arena.high_water, arena.allocations) == (1, 0)


def test_errors_leak_nothing():
    arena = OrderArena(1)
    kept = arena.create(*ORDER)
    stale = OrderArena(1)
    over = stale.create(*ORDER)
    stale.release(over)
    price = 123.25
    held = sys.getrefcount(arena), sys.getrefcount(stale), sys.getrefcount(price)

    def fail():
        for call in (
            lambda: arena.create(*ORDER),
            lambda: arena.create(1, 9, 1, price),
            lambda: arena.create(1, BUY, 1, "x"),
            lambda: arena.create(1, BUY, 2**70, price),
            lambda: arena.release(over),
            lambda: arena.release(None),
            lambda: stale.release(over),
            lambda: arena.view(0),
            lambda: stale.view(over.handle),
            lambda: over.price,
            lambda: OrderArena(0),
            lambda: OrderArena(1, "x"),
            lambda: OrderArena(1, huge_pages="x"),
            lambda: OrderArena(1, numa_node=10**6),
            lambda: OrderArena(2**32),
            lambda: arena.create(1, BUY, 1, cost=price),
            lambda: arena.create(1, BUY, 1, quantity=price),
            arena.verify,
        ):
            with pytest.raises((ValueError, RuntimeError, TypeError)):
                call()

    for _ in range(3):
        fail()
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(50):
        fail()
    gc.collect()
    assert sys.getallocatedblocks() - blocks <= 20
    assert (sys.getrefcount(arena), sys.getrefcount(stale), sys.getrefcount(price)) == held
    assert kept.alive


def test_whole_arenas_leak_nothing():
    def live_and_die():
        arena = OrderArena(4, on_exhausted="grow", poison=True)
        views = [arena.create(*ORDER) for _ in range(9)]
        rows = arena.orders
        arena.release(views[0])
        del arena
        assert len(rows) >= 4
        return repr(views)

    assert blocks_after(live_and_die, 2_000) <= 20


def test_arenas_give_their_memory_back_to_the_system(tmp_path):
    script = """
import gc, resource
from latencykit.engine import BUY, OrderArena
def round_():
    arena = OrderArena(100_000, "recycle")
    views = [arena.create(1, BUY, 1, 1.0) for _ in range(1000)]
for _ in range(3):
    round_()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(30):
    round_()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert int(done.stdout) < 22_000  # KiB; one arena is 11 MB, and 30 leaked ones were 330 MB.


def test_stale_views_that_are_kept_are_counted_and_come_back():
    arena = OrderArena(2, on_exhausted="recycle")
    kept = [arena.create(i, BUY, 1, 1.0) for i in range(1_000)]  # More than fit into the first page.
    added = arena.allocations
    assert added >= 2
    assert sum(order.alive for order in kept) == 2
    kept.clear()
    again = [arena.create(i, BUY, 1, 1.0) for i in range(1_000)]
    assert arena.allocations == added
    assert len(again) == 1_000


def test_an_arena_in_a_cycle_with_its_views_is_freed():
    class Strategy:
        pass

    types = sys.getrefcount(OrderArena)
    strategy = Strategy()
    strategy.arena = OrderArena(1)
    strategy.order = strategy.arena.create(*ORDER)
    strategy.itself = strategy
    del strategy
    gc.collect()
    assert sys.getrefcount(OrderArena) == types


def test_views_are_usable_until_the_interpreter_ends(tmp_path):
    script = """
from latencykit.engine import BUY, OrderArena
class AtTheEnd:
    def __init__(self):
        self.arena = OrderArena(4)
        self.orders = [self.arena.create(1, BUY, 1, 1.0) for _ in range(4)]
    def __del__(self):
        for order in self.orders:
            self.arena.release(order)
keep = AtTheEnd()
import builtins
builtins.keep = keep
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_failed_construction_leaves_nothing():
    before = references()
    for _ in range(100):
        with pytest.raises(InvalidValueError):
            OrderArena(0)
    assert references() == before
