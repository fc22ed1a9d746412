"""Suites written for pytest-benchmark, unedited, with and without pytest-benchmark."""

import importlib.util

import pytest
from pytest_runs import run_pytest

# As such suites are written: results are asserted on, rounds are counted, figures are looked at.
SUITE = """
import time
import pytest

def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a

def test_result(benchmark):
    assert benchmark(fibonacci, 20) == 6765

def test_keywords(benchmark):
    assert benchmark(sorted, [3, 1, 2], reverse=True) == [3, 2, 1]

def test_decorator(benchmark):
    @benchmark
    def result():
        return sum(range(10))
    assert result == 45

@pytest.mark.benchmark(group="sorting", min_rounds=5, max_time=0.1, disable_gc=True, warmup=False, timer=time.time)
@pytest.mark.parametrize("size", [10, 100])
def test_parameters(benchmark, size):
    assert benchmark.group == "sorting"
    assert benchmark.params == {"size": size}
    benchmark.extra_info["size"] = size
    benchmark(sorted, list(range(size)))

def test_rounds_are_exactly_those(benchmark):
    seen, torn = [], []

    def setup():
        return ([3, 2, 1],), {"reverse": False}

    def sort(values, reverse):
        assert values == [3, 2, 1]
        seen.append(values)
        values.sort(reverse=reverse)
        return values

    result = benchmark.pedantic(sort, setup=setup, teardown=lambda values, reverse: torn.append(values), rounds=12,
                                warmup_rounds=3)
    assert result == [1, 2, 3]
    assert (len(seen), len(torn)) == (15, 15)
    assert all(values == [1, 2, 3] for values in torn)

def test_iterations(benchmark):
    calls = []
    def work(x, y=0):
        calls.append((x, y))
        return x + y
    assert benchmark.pedantic(work, args=(1,), kwargs={"y": 2}, rounds=10, iterations=7) == 3
    assert len(calls) == 70 and set(calls) == {(1, 2)}

def test_figures(benchmark):
    benchmark(fibonacci, 50)
    stats = benchmark.stats
    assert 0 < stats.stats.min <= stats.stats.mean
    assert stats["median"] < 1
    assert stats.stats.rounds > 1
    with pytest.raises(AttributeError, match="stats has no 'iqr'"):
        stats.stats.iqr

def test_slow(benchmark):
    benchmark(fibonacci, 5000)

def test_both_given(benchmark):
    benchmark.pedantic(len, args=([],), setup=lambda: (([],), {}))

def test_setup_and_iterations(benchmark):
    benchmark.pedantic(len, setup=lambda: (([],), {}), iterations=3)

def test_no_rounds(benchmark):
    benchmark.pedantic(len, args=([],), rounds=0)

def test_weave(benchmark):
    benchmark.weave(time.sleep)

def test_patch(benchmark):
    benchmark.patch("time.sleep")

def test_raising(benchmark):
    benchmark(int, "x")

def test_unused(benchmark):
    pass

def test_plain():
    pass
"""
REFUSED = {
    "test_both_given": "setup returned arguments, and args or kwargs were given as well; leave one out",
    "test_setup_and_iterations": "iterations is 3 with a setup, which makes one call's arguments; give 1",
    "test_no_rounds": "rounds is 0; give a whole number from 1 on",
    "test_weave": "benchmark.weave(<built-in function sleep>) is not adopted: call the function through benchmark(...)",
    "test_patch": "benchmark.weave('time.sleep') is not adopted",
    "test_raising": "ValueError: invalid literal",
    "test_slow": "latency target missed: test_made/test_slow",
}
INSTALLED = importlib.util.find_spec("pytest_benchmark") is not None
theirs = pytest.mark.skipif(not INSTALLED, reason="pytest-benchmark is not installed")


@pytest.fixture(scope="module", params=[pytest.param("with", marks=theirs), "without"])
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    without = ["-p", "no:benchmark"] if request.param == "without" else []
    return run_pytest(folder, SUITE, "--latencykit-adopt", "--latencykit-json=run.json", "--strict-markers",
                      "--latencykit-target=test_slow: p50 < 1us", "--latencykit-target=test_result: p99 < 1s",
                      "-W", "error::latencykit.errors.LatencykitWarning", *without)  # fmt: skip


def test_tests_pass_as_they_did_and_what_is_refused_is_told(made):
    failed = {name for name, (outcome, _) in made.tests.items() if outcome != "passed"}
    assert failed == set(REFUSED), made.text
    for name, words in REFUSED.items():
        assert words in made.message(name)


def test_they_gain_percentiles_and_verdicts(made):
    batched, per_call = made.results("test_result")
    assert per_call["p99_ns"] > 0
    assert per_call["target"]["verdict"] == "met"
    assert batched["allocations_per_op"] is not None
    assert {row["parameters"]["size"] for row in made.results("test_parameters")} == {10, 100}
    section = made.text.partition("= latencykit =")[2]
    assert "test_parameters[size=100]" in section


def test_rounds_are_single_calls_or_batches(made):
    (single,) = made.results("test_rounds_are_exactly_those")
    (batched,) = made.results("test_iterations")
    assert (single["mode"], single["count"]) == ("per_call", 12)
    assert (batched["mode"], batched["count"], batched["batch_size"]) == ("batched", 70, 7)


def test_nothing_is_left_of_the_other_plugin(made):
    assert "benchmark: " not in made.text
    assert "Legend:" not in made.text


def test_unused_fixtures_are_no_measurement(made):
    assert made.results("test_unused") == []


@theirs
def test_its_own_options_are_obeyed_or_named(tmp_path):
    suite = """
    def test_measured(benchmark):
        calls = []
        benchmark(calls.append, 1)
        assert len(calls) == 1 and benchmark.stats is None and benchmark.disabled
    def test_plain():
        pass
    """
    disabled = run_pytest(tmp_path, suite, "--latencykit-adopt", "--benchmark-disable", "--benchmark-json=theirs.json")
    assert disabled.status == 0, disabled.text
    assert "adopted tests are measured without --benchmark-json" in disabled.text
    skipping = run_pytest(tmp_path, suite, "--latencykit-adopt", "--benchmark-skip")
    assert (skipping.of("test_measured"), skipping.of("test_plain")) == ("skipped", "passed")
    only = run_pytest(tmp_path, suite, "--latencykit-adopt", "--latencykit-disable", "--benchmark-only")
    assert (only.of("test_measured"), only.of("test_plain")) == ("passed", "skipped")


@theirs
def test_without_the_option_the_other_plugin_is_left_alone(tmp_path):
    suite = """
    def test_measured(benchmark):
        assert type(benchmark).__module__.startswith("pytest_benchmark")
        benchmark(abs, -1)
    """
    made = run_pytest(tmp_path, suite, "--benchmark-disable")
    assert made.status == 0, made.text
