"""What a command line of ``latencykit engine run`` asks for, checked before anything is done."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from latencykit.commands.output import Destination
from latencykit.engine.config import EngineConfig, FeedRules, PerformanceConfig, RiskLimits
from latencykit.engine.feeds import Feed, SharedRingFeed, SyntheticFeed, YFinanceFeed, feed_of
from latencykit.engine.limits import Statistic, parse_limits
from latencykit.errors import InvalidValueError, UsageError
from latencykit.units import parse_duration_ns

SWEEP: Final = "sweep"
_TICKS: Final = 200_000
_SWEEP_TICKS: Final = 1_000_000
_TARGET: Final = re.compile(r"\s*([a-z0-9.]+)\s*<\s*(\S.*)")


@dataclass(frozen=True, slots=True)
class Request:
    """A run of the engine as it was asked for.

    Attributes:
        feed: Where the ticks come from.
        config: How the engine is set up.
        strategy: The name of what decides, module:function; None for the panic detector.
        rate: Ticks a second, ``sweep``, or None for as fast as it goes.
        duration: Seconds that a rate is offered; None to the end of the feed.
        delays_ns: Delays of the entry; empty if the cost of latency is not to be told.
        targets: Each statistic and its limit in nanoseconds.
        check: Whether targets decide on the exit status.
        json: Where the run is to be written, or None.
        prometheus: Where Prometheus's text is to be written, or None.
        quiet: Whether standard error stays empty but for errors.
    """

    feed: Feed
    config: EngineConfig
    strategy: str | None
    rate: float | str | None
    duration: float | None
    delays_ns: tuple[int, ...]
    targets: Mapping[Statistic, float]
    check: bool
    json: Destination | None
    prometheus: Destination | None
    quiet: bool

    @property
    def to_stdout(self) -> bool:
        """Whether a file goes to standard output, so that the tables cannot."""
        return any(each is not None and each.is_stdout for each in (self.json, self.prometheus))


def read_request(given: Mapping[str, Any]) -> Request:
    """Return what is asked for.

    Args:
        given: The options by their names, as click gives them.

    Raises:
        UsageError: Options exclude each other or miss one.
        LatencykitError: A value cannot be used.
    """
    rate = _rate(given["rate"])
    _check_together(given, rate)
    return Request(
        feed=_feed(given, rate),
        config=_config(given),
        strategy=given["strategy"],
        rate=rate,
        duration=_duration(given, rate),
        delays_ns=() if given["no_cost"] or rate is not None else _delays(given["delays"]),
        targets=_targets(given["targets"]),
        check=given["check"],
        json=_destination(given["json_name"], "--json"),
        prometheus=_destination(given["prometheus"], "--prometheus"),
        quiet=given["quiet"],
    )


def _check_together(given: Mapping[str, Any], rate: float | str | None) -> None:
    """Refuse options that exclude each other, and those that would do nothing."""
    feeds = [f"--{name}" for name in ("ticks", "synthetic", "ring", "live") if given[name]]
    made = not feeds or feeds == ["--synthetic"]
    refused = (
        (_same_file(given["ticks"], given["journal"]), "--journal would overwrite the ticks; name another file"),
        (len(feeds) > 1, f"{' and '.join(feeds)} exclude each other; give one"),
        (given["seed"] is not None and not made, f"--seed is of synthetic ticks; leave it out with {feeds[:1]}"),
        (given["pin"] and given["no_pinning"], "--pin and --no-pinning exclude each other; give one"),
        (given["force"] and not given["journal"], "--force replaces a journal; name it with --journal"),
        (
            _is_filled(given["journal"]) and not given["force"],
            f"--journal {given['journal']} is there already; name another file, or give --force to lose that one",
        ),
        (given["check"] and not given["targets"], "--check needs a target; give one such as --target 'p99 < 10us'"),
        (given["duration"] and rate is None, "--duration is of a rate; give --rate"),
        (given["delays"] and given["no_cost"], "--delays and --no-cost exclude each other; give one"),
        (given["delays"] and rate is not None, "--rate tells response times, not costs; leave out --delays"),
        (given["strategy"] and rate is not None, "--rate runs natively, without a strategy; leave out one of them"),
        (given["on_strategy_error"] and not given["strategy"], "--on-strategy-error needs a --strategy"),
        (rate == SWEEP and bool(given["ring"] or given["live"]), "--rate sweep needs ticks that can be taken again"),
        (
            rate == SWEEP and bool(given["targets"]),
            "a sweep has no one figure to judge; give one --rate, or no --target",
        ),
        (rate == SWEEP and bool(given["prometheus"]), "a sweep has an engine for each rate; leave out --prometheus"),
        (given["json_name"] == given["prometheus"] == "-", "--json - and --prometheus - both want standard output"),
    )
    for applies, sentence in refused:
        if applies:
            raise UsageError(sentence)


def _is_filled(path: str | None) -> bool:
    return path is not None and Path(path).is_file() and Path(path).stat().st_size > 0


def _same_file(one: str | None, other: str | None) -> bool:
    return bool(one and other and Path(other).exists() and Path(one).samefile(other))


def _feed(given: Mapping[str, Any], rate: float | str | None) -> Feed:
    if given["ticks"]:
        return feed_of(given["ticks"])
    if given["ring"]:
        return SharedRingFeed(given["ring"])
    if given["live"]:
        return YFinanceFeed(given["live"])
    count = given["synthetic"] or (_SWEEP_TICKS if rate == SWEEP else _TICKS)
    return SyntheticFeed(count, seed=1 if given["seed"] is None else given["seed"], symbols=given["symbols"] or 1)


def _config(given: Mapping[str, Any]) -> EngineConfig:
    """Return the preset with what the options change."""
    changes = {
        "symbols": given["symbols"] or len(given["live"]) or None,
        "cpu_pinning": True if given["pin"] else False if given["no_pinning"] else None,
        "cpu_cores": _cores(given["pin"]),
        "update_interval": None if given["update_interval"] is None else _ns(given["update_interval"]) / 1e9,
        "simd": False if given["no_simd"] else None,
        "lockfree": False if given["mutex"] else None,
        "preallocated_memory": given["memory"],
        "sample_every": given["sample_every"],
        "when_degraded": given["when_degraded"],
        "on_strategy_error": given["on_strategy_error"],
        "journal_path": given["journal"],
        "journal_replace": given["force"] or None,
        "risk": _risk(given),
        "feed_rules": _rules(given),
    }
    make = getattr(PerformanceConfig, given["preset"]) if given["preset"] else EngineConfig
    config: EngineConfig = make(**{name: value for name, value in changes.items() if value is not None})
    return config


def _risk(given: Mapping[str, Any]) -> RiskLimits:
    names = {
        "max_order_quantity": "max_order", "max_position": "max_position", "price_collar": "price_collar",
        "max_orders_per_second": "max_orders_per_second",
    }  # fmt: skip
    return RiskLimits(**{name: given[option] for name, option in names.items() if given[option] is not None})


def _rules(given: Mapping[str, Any]) -> FeedRules:
    rules: dict[str, Any] = {"longest_gap": given["longest_gap"]}
    kinds = FeedRules.__dataclass_fields__.keys() - {"longest_gap"}
    for rule in given["feed_rules"]:
        kind, _, policy = rule.partition("=")
        if kind not in kinds:
            raise UsageError(f"--feed-rule {rule!r} names no kind of tick; use {', '.join(sorted(kinds))}")
        rules[kind] = policy
    return FeedRules(**rules)


def _cores(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(core) for core in text.split(","))
    except ValueError:
        raise UsageError(f"--pin {text!r} is not two CPUs; write for example 0,1") from None


def _rate(text: str | None) -> float | str | None:
    if text is None or text == SWEEP:
        return text
    try:
        return float(text.replace("_", "").replace(",", ""))
    except ValueError:
        raise UsageError(f"--rate {text!r} is no number; give ticks a second, or sweep") from None


def _duration(given: Mapping[str, Any], rate: float | str | None) -> float | None:
    if given["duration"] is None:
        return 1.0 if rate == SWEEP else None
    return parse_duration_ns(given["duration"]) / 1e9


def _ns(text: str) -> float:
    """Return a duration that may be 0."""
    return 0.0 if text.strip() in ("0", "0s") else parse_duration_ns(text)


def _delays(text: str | None) -> tuple[int, ...]:
    from latencykit.analysis.latency_cost import DELAYS_NS

    return DELAYS_NS if text is None else tuple(round(_ns(part)) for part in text.split(","))


def _targets(texts: tuple[str, ...]) -> Mapping[Statistic, float]:
    limits: dict[str, str | float] = {}
    for text in texts:
        match = _TARGET.fullmatch(text)
        if match is None:
            raise InvalidValueError(f"target {text!r} is not a statistic and a limit; write for example 'p99 < 10us'")
        limits[match[1].replace(".", "")] = match[2]
    return parse_limits(limits)


def _destination(name: str | None, option: str) -> Destination | None:
    if name is None:
        return None
    destination = Destination(name, option)
    destination.check()
    return destination
