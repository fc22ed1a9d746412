"""The pytest plugin: the fixture ``latency``, adopted ``benchmark`` tests, and what is told of them at the end.

pytest imports this module in every project that has latencykit installed, so nothing heavy is imported here: what
measures and shows is loaded by the first test that uses it.
"""

import os
from typing import TYPE_CHECKING, Any

import pytest

from latencykit.testing import RECORDS

if TYPE_CHECKING:
    from collections.abc import Generator

    from latencykit.testing.fixture import Latency

_MARKER = "benchmark(**options): tolerated for suites that were written for pytest-benchmark"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and the setting."""
    group = parser.getgroup("latencykit", "latency targets")
    group.addoption("--latencykit-rigorous", action="store_true", help="Measure each call for 20 s instead of one.")
    group.addoption(
        "--latencykit-disable", action="store_true", help="Call each measured function once and judge nothing."
    )
    group.addoption(
        "--latencykit-inconclusive",
        choices=("warn", "fail", "pass"),
        default="warn",
        help="What becomes of a test whose target cannot be judged, as on an unfit machine; the default is warn.",
    )
    group.addoption("--latencykit-json", metavar="FILE", help="Write what was measured there, as `bench --json` does.")
    group.addoption(
        "--latencykit-adopt",
        action="store_true",
        help="Run tests that use pytest-benchmark's fixture `benchmark`, unedited.",
    )
    group.addoption(
        "--latencykit-target",
        action="append",
        default=[],
        metavar="PATTERN: TARGETS",
        help="Targets of tests that state none, such as 'test_parse*: p50 < 1ms, p99 < 2ms'; may be repeated.",
    )
    parser.addini("latencykit_targets", "Lines as of --latencykit-target, which go before them.", type="linelist")


@pytest.hookimpl(trylast=True)  # adopting takes the fixture over from a plugin that must be there by then
def pytest_configure(config: pytest.Config) -> None:
    """Register what is needed for the options given."""
    if config.getoption("--latencykit-adopt"):
        from latencykit.testing import adopting

        config.addinivalue_line("markers", _MARKER)
        adopting.register(config)
    if config.getoption("--latencykit-target") or config.getini("latencykit_targets"):
        from latencykit.testing.session import options_of

        options_of(config)  # what cannot be read is told before any test runs
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(config), "latencykit-reporter")


@pytest.fixture
def latency(request: pytest.FixtureRequest) -> "Latency":
    """Measure a call and hold it against targets: ``latency(fn, *args, target="p99 < 2us", allocations=0)``."""
    from latencykit.testing.fixture import Latency
    from latencykit.testing.session import meter_of

    return Latency(meter_of(request.node))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> "Generator[None, Any, Any]":
    """Put what a test measured into the report of its call, which travels to the process that shows it."""
    report = yield
    if report.when == "call" and item.stash.get(RECORDS, None):
        from latencykit.testing.outcome import encode_records

        report.latencykit = encode_records(item.stash[RECORDS])
    return report


class Reporter:
    """Collects what the tests measured, shows it at the end, and writes the file; not in xdist's workers.

    Raises:
        pytest.UsageError: The file cannot be written.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._reported: list[str] = []
        self._name = config.getoption("--latencykit-json")
        self._problem: str | None = None
        self._text = ""
        if self._name:
            from latencykit.testing.session import check_destination

            check_destination(self._name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test measured."""
        text = getattr(report, "latencykit", None)
        if text is not None:
            self._reported.append(text)

    def pytest_sessionfinish(self) -> None:
        """Put the run together and write it, before anything is shown."""
        if not self._reported and not self._name:
            return
        from latencykit.testing.session import run_of, save

        run = run_of(self._reported, self._config)
        self._problem = save(run, self._name) if self._name else None
        if self._reported:
            from latencykit.testing.session import shown

            self._text = shown(run)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the section of all measured tests."""
        if self._text:
            terminalreporter.section("latencykit")
            terminalreporter.write(self._text)
            if self._config.getoption("numprocesses", None) or os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
                terminalreporter.write_line(
                    "warning: the tests ran in several processes at once, which disturb each other's figures; "
                    "run them with -n 0 for figures to rely on",
                    yellow=True,
                )
        if self._name and not self._problem:
            terminalreporter.write_line(f"latencykit: the run is in {self._name}")
        if self._problem:
            terminalreporter.write_line(f"latencykit: error: {self._problem}", red=True)
