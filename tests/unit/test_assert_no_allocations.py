"""`assert_no_allocations`: what passes, what is named, and what is charged to whom."""

import asyncio
import gc
import itertools
import sys
import threading
import weakref

import pytest

import latencykit as lk
from latencykit.errors import AllocationError, InvalidStateError, InvalidTypeError, InvalidValueError
from latencykit.measuring import allocations
from latencykit.measuring.allocations import AllocationSite, describe_sites, merged_sites

BIG = 10**12
HERE = __file__


def line_of(function, offset):
    return function.__code__.co_firstlineno + offset


def raised_by(function, *args, **kwargs):
    with pytest.raises(AllocationError) as caught:
        function(*args, **kwargs)
    return caught.value


@pytest.fixture(autouse=True)
def untraced():
    """A tracer (coverage, a debugger) allocates for itself."""
    if sys.gettrace() or sys.getprofile():
        pytest.skip("a trace function is active, which allocates too")


def test_an_empty_block_passes_the_first_time_and_later():
    guard = lk.assert_no_allocations()
    for _ in range(1000):
        with guard:
            pass
    with lk.assert_no_allocations():
        pass


def test_a_block_on_what_is_there_passes():
    values, total = [1, 2, 3], 0
    with lk.assert_no_allocations():
        total += values[1]
        values[0] = values[2]
    assert (values, total) == ([3, 2, 3], 2)


def block(size):
    with lk.assert_no_allocations():
        kept = bytes(size)
    return len(kept)


@pytest.mark.parametrize("size", [100, 5000])
def test_a_block_is_named_by_its_statement(size):
    error = raised_by(block, size)
    (site,) = error.sites
    assert (site.file, site.line, site.function) == (HERE, line_of(block, 2), "block")
    assert (site.from_file, site.from_line) == (HERE, line_of(block, 2))
    assert (site.source, site.count) == ("object", 1)
    assert size < site.bytes < size + 64
    assert str(error).startswith(f"1 allocation of {site.bytes:,} bytes where none was allowed:")
    assert "kept = bytes(size)" in str(error)
    assert isinstance(error, AssertionError)


def deep(items):
    items.append(None)


def calling():
    items = []
    with lk.assert_no_allocations():
        deep(items)


def test_what_is_called_is_named_and_the_statement_of_the_block_that_led_there():
    (site,) = raised_by(calling).sites
    assert (site.line, site.function, site.source) == (line_of(deep, 1), "deep", "mem")
    assert site.from_line == line_of(calling, 3)


def looped():
    kept, i = [None] * 3, 0
    with lk.assert_no_allocations():
        while i < 3:
            kept[i] = BIG + i
            i += 1
        kept[0] = bytes(1000)


def test_equal_places_are_added_up_and_the_most_come_first():
    first, second = raised_by(looped).sites
    assert (first.count, first.line) == (3, line_of(looped, 4))
    assert first.bytes >= 3 * 24
    assert (second.count, second.line) == (1, line_of(looped, 6))


@lk.assert_no_allocations()
def quiet(x, *, times=1):
    """Say what it is."""
    return x if times else None


@lk.assert_no_allocations()
def loud(x, *, times=1):
    return [x] * times


def test_a_function_with_keywords_passes_and_stays_what_it_was():
    for _ in range(100):
        assert quiet(3, times=2) == 3
    assert (quiet.__name__, quiet.__doc__) == ("quiet", "Say what it is.")


def test_a_function_is_named():
    (site, *_) = raised_by(loud, 1, times=1000).sites
    line = line_of(loud.__wrapped__, 2)
    assert (site.function, site.line) == ("loud", line)
    assert (site.from_file, site.from_line) == (HERE, line)


def test_native_code_that_is_decorated_has_no_line_and_says_so():
    with pytest.raises(AllocationError, match="in native code that was called directly"):
        lk.assert_no_allocations()(sorted)([3, 2, 1])


def test_warm_up_is_so_many_entries_and_no_more():
    guard = lk.assert_no_allocations(warm_up=2)
    for _ in range(2):
        with guard:
            bytes(1000)
    with pytest.raises(AllocationError), guard:
        bytes(1000)
    checked = lk.assert_no_allocations(warm_up=1)(bytes.fromhex)
    checked("00" * 100)
    with pytest.raises(AllocationError):
        checked("00" * 100)


def test_so_many_allocations_may_be_allowed():
    with lk.assert_no_allocations(allowed=1):
        bytes(1000)

    @lk.assert_no_allocations(allowed=1)
    def two():
        bytes(1000)
        bytes(1000)

    assert "where at most 1 were allowed" in str(raised_by(two))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"warm_up": -1}, InvalidValueError, "warm_up is -1; give 0 or more"),
        ({"allowed": 1.5}, InvalidTypeError, "allowed is 1.5; give a whole number"),
        ({"allowed": True}, InvalidTypeError, "allowed is True; give a whole number"),
    ],
)
def test_numbers_that_are_none(arguments, error, message):
    with pytest.raises(error, match=message):
        lk.assert_no_allocations(**arguments)


async def agen():
    yield 1


@pytest.mark.parametrize(("what", "message"), [(3, "not a function"), (bytes, "not a function"), (agen, "every yield")])
def test_what_cannot_be_decorated(what, message):
    with pytest.raises(InvalidTypeError, match=message):
        lk.assert_no_allocations()(what)


def test_an_error_of_the_code_itself_comes_through_and_the_guard_can_be_used_again():
    guard = lk.assert_no_allocations()
    with pytest.raises(ZeroDivisionError), guard:
        1 / 0  # noqa: B018
    with guard:
        pass
    checked = lk.assert_no_allocations()(divmod)
    with pytest.raises(ZeroDivisionError):
        checked(1, 0)


def test_guards_cannot_be_nested():
    outer, inner = lk.assert_no_allocations(allowed=1000), lk.assert_no_allocations()
    with pytest.raises(InvalidStateError, match="this thread is counting allocations already"), outer, inner:
        pass
    with lk.assert_no_allocations():
        pass


def test_other_threads_are_not_charged():
    go, done = threading.Lock(), threading.Lock()
    go.acquire()
    done.acquire()

    def work():
        go.acquire()
        kept = [bytes(1000) for _ in range(5000)]
        done.release()
        return kept

    thread = threading.Thread(target=work)
    thread.start()
    with lk.assert_no_allocations(allowed=10):  # the locks' own
        go.release()
        done.acquire()
    thread.join()


def test_a_destructor_is_placed_too():
    class Dying:
        def __del__(self):
            out.append(bytes(3000))

    out = [None]
    out.pop()
    held = [Dying()]
    with pytest.raises(AllocationError, match="__del__"), lk.assert_no_allocations():
        held[0] = None


async def step(waiting):
    await waiting
    return 7


def test_a_coroutine_is_not_charged_for_what_others_do_while_it_waits():
    checked = lk.assert_no_allocations(allowed=20)(step)  # the future's own iterator and callbacks

    async def noise(future):
        kept = []
        for _ in range(10):
            kept.append([bytes(1000) for _ in range(100)])
            await asyncio.sleep(0)
        future.set_result(None)
        return kept

    async def main():
        future = asyncio.get_running_loop().create_future()
        other = asyncio.create_task(noise(future))
        result = await checked(future)
        await other
        return result

    assert asyncio.run(main()) == 7


async def allocating(waiting):
    await waiting
    return bytes(5000)


def test_a_coroutine_is_named():
    checked = lk.assert_no_allocations()(allocating)

    async def main():
        await checked(asyncio.sleep(0))

    sites = raised_by(asyncio.run, main()).sites
    assert (line_of(allocating, 2), "allocating") in [(site.line, site.function) for site in sites]


def test_a_coroutine_can_be_cancelled_and_hears_of_it():
    heard = []

    @lk.assert_no_allocations(allowed=1000)
    async def waits():
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    async def main():
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert heard == ["cancelled"]


@lk.assert_no_allocations()
def echoing(first):
    got = yield first
    while got is not None:
        try:
            got = yield got
        except KeyError:
            got = yield "key"
    return "end"


def test_a_generator_works_as_it_did():
    made = echoing(1)
    assert next(made) == 1
    big = bytes(100)
    assert made.send(big) is big
    assert made.throw(KeyError()) == "key"
    with pytest.raises(StopIteration) as end:
        made.send(None)
    assert end.value.value == "end"


def test_what_is_allocated_between_the_steps_of_a_generator_is_not_charged():
    assert [len(bytes(value * 1000)) for value in echoing(5)] == [5000]


def test_a_generator_that_allocates_is_told_of_at_its_end():
    @lk.assert_no_allocations()
    def numbers():
        yield hold(1000)
        yield hold(2000)

    hold, made = bytes, numbers()
    assert [len(next(made)), len(next(made))] == [1000, 2000]
    sites = raised_by(next, made).sites
    assert len({site.line for site in sites}) == 2


def test_a_generator_that_is_closed_cleans_up():
    cleaned = []

    @lk.assert_no_allocations(allowed=1000)
    def numbers():
        try:
            yield 1
        finally:
            cleaned.append(True)

    made = numbers()
    next(made)
    made.close()
    assert cleaned == [True]


def test_more_places_than_are_told_apart_are_counted_together(monkeypatch):
    monkeypatch.setattr(allocations, "PLACES", 1)
    sites = raised_by(looped).sites
    assert sorted(site.count for site in sites) == [1, 3]
    assert {site.file for site in sites} == {HERE, None}
    assert any("not placed" in line for line in describe_sites(sites))


def test_places_are_listed_up_to_ten():
    sites = [AllocationSite("missing.py", line, "f", None, 0, "mem", 1, 8) for line in range(12)]
    lines = describe_sites(sites)
    assert lines[0] == "  1 × mem, 8 bytes: missing.py:0 in f"
    assert lines[-1] == "  and 2 more places"
    assert len(lines) == 11


def test_counts_of_several_steps_are_added_up():
    place = ("f.py", 3, "f", "g.py", 1, "mem")
    merged = merged_sites([(*place, 1, 10), ("f.py", 4, "f", None, 0, "mem", 5, 50), (*place, 2, 30)])
    assert [(site.line, site.count, site.bytes) for site in merged] == [(4, 5, 50), (3, 3, 40)]


def test_code_that_is_gone_can_still_be_named_and_is_freed_in_the_end():
    from latencykit._core import AllocationCounter

    names = {}
    exec("def f(items):\n    items.append(None)\n", names)
    function = names["f"]
    died = weakref.ref(function.__code__)
    counter = AllocationCounter(sites=4, levels=-1)
    counter.call(function, [])
    names.clear()
    del function
    ((_, line, name, *_),) = counter.sites
    assert (line, name) == (2, "f")
    del counter
    assert died() is None


def test_nothing_leaks():
    def work():
        for function in (block, looped):
            args = (1000,) if function is block else ()
            raised_by(function, *args)
        list(echoing(1))

    def blocks_after(repeats):
        for _ in range(repeats):
            work()
        gc.collect()  # a caught exception and its frames are a cycle
        return sys.getallocatedblocks()

    rounds = [blocks_after(50) for _ in range(6)]
    assert min(after - before for before, after in itertools.pairwise(rounds)) < 20
