"""What the options of ``latencykit engine run`` ask for."""

import click
import pytest

from latencykit.commands.engine import run
from latencykit.commands.engine_options import KINDS, POLICIES, complete_rule
from latencykit.commands.engine_request import read_request
from latencykit.commands.engine_strategy import load_strategy
from latencykit.engine import EngineConfig, FeedRules, PerformanceConfig, RiskLimits
from latencykit.errors import UsageError


def asked(*arguments):
    return read_request(run.make_context("run", list(arguments)).params)


def test_without_options_it_is_the_engine_as_it_is():
    request = asked()
    assert request.config == EngineConfig()
    assert (len(request.feed), request.rate, request.strategy, request.check) == (200_000, None, None, False)
    assert [delay / 1e6 for delay in request.delays_ns] == [0, 1, 100, 1_000, 5_000, 60_000]


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        (["--preset", "naive"], PerformanceConfig.naive()),
        (["--preset", "production", "--no-pinning"], PerformanceConfig.production(cpu_pinning=False)),
        (["--pin", "3,5"], EngineConfig(cpu_pinning=True, cpu_cores=(3, 5))),
        (["--update-interval", "250ms"], EngineConfig(update_interval=0.25)),
        (["--preset", "production", "--update-interval", "0"], PerformanceConfig.production(update_interval=0.0)),
        (["--no-simd", "--mutex", "--memory", "0"], EngineConfig(simd=False, lockfree=False, preallocated_memory=0)),
        (["--sample-every", "0", "--when-degraded", "pause"], EngineConfig(sample_every=0, when_degraded="pause")),
        (["--symbols", "7"], EngineConfig(symbols=7)),
        (["--max-order", "5"], EngineConfig(risk=RiskLimits(max_order_quantity=5))),
        (["--max-position", "6"], EngineConfig(risk=RiskLimits(max_position=6))),
        (
            ["--price-collar", "0", "--max-orders-per-second", "0"],
            EngineConfig(risk=RiskLimits(price_collar=0.0, max_orders_per_second=0)),
        ),
        (
            ["--feed-rule", "gap=halt", "--feed-rule", "backwards=accept", "--longest-gap", "60s"],
            EngineConfig(feed_rules=FeedRules(gap="halt", backwards="accept", longest_gap="60s")),
        ),
        (["--journal", "j", "--force"], EngineConfig(journal_path="j", journal_replace=True)),
        (["--strategy", "a:b", "--on-strategy-error", "skip"], EngineConfig(on_strategy_error="skip")),
    ],
)  # fmt: skip
def test_options_change_what_they_are_named_after(arguments, config):
    made = asked(*arguments).config
    for name in EngineConfig.__dataclass_fields__:
        assert getattr(made, name) == getattr(config, name), name


def test_an_open_loop_tells_no_costs():
    request = asked("--rate", "50_000", "--duration", "250ms")
    assert (request.rate, request.duration, request.delays_ns) == (50_000.0, 0.25, ())
    sweep = asked("--rate", "sweep")
    assert (sweep.rate, sweep.duration, len(sweep.feed)) == ("sweep", 1.0, 1_000_000)


def test_delays_and_targets_are_read():
    request = asked("--delays", "0,5us,1s", "--target", "p99.9 < 10us", "--target", "max<1ms")
    assert request.delays_ns == (0, 5_000, 1_000_000_000)
    assert {each.label: limit for each, limit in request.targets.items()} == {"p99.9": 10_000.0, "max": 1_000_000.0}
    assert asked("--no-cost").delays_ns == ()


def test_rules_are_completed():
    context, option = click.Context(run), click.Option(["--feed-rule"])
    assert [item.value for item in complete_rule(context, option, "gap=")] == ["gap=accept", "gap=skip", "gap=halt"]
    assert len(complete_rule(context, option, "")) == len(KINDS) * len(POLICIES)
    assert set(KINDS) == FeedRules.__dataclass_fields__.keys() - {"longest_gap"}


def test_a_strategy_is_found_in_a_file_and_in_a_module_beside_the_user(tmp_path, monkeypatch):
    (tmp_path / "made_for_this_test.py").write_text("def decide(*tick):\n    return None\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [path for path in __import__("sys").path if path])
    assert load_strategy("made_for_this_test.py:decide")(0, 0, 1.0, 1.0) is None
    assert load_strategy("made_for_this_test:decide")(0, 0, 1.0, 1.0) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("decide", "module:function"),
        (":decide", "module:function"),
        ("nowhere.py:decide", "no such file"),
        ("broken.py:decide", "ZeroDivisionError: division by zero"),
        ("broken_not:decide", "ModuleNotFoundError"),
        ("json:nothing", "has no 'nothing'"),
        ("json:__doc__", "cannot be called"),
    ],
)
def test_a_strategy_that_cannot_be_had_is_a_sentence(name, said, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        load_strategy(name)
