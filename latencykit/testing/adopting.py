"""Take the fixture ``benchmark`` over, whether or not pytest-benchmark is installed."""

import pytest

from latencykit.testing.adopted import Benchmark
from latencykit.testing.session import meter_of, options_of

_THEIRS = "benchmark"
# What their plugin would have done with its options and ours does not.
_WITHOUT_EFFECT = (
    "json", "json_path", "save", "autosave", "compare", "compare_fail", "histogram", "csv", "cprofile",
)  # fmt: skip


def register(config: pytest.Config) -> None:
    """Register the fixture after every other plugin's, and take pytest-benchmark's hooks out of the session.

    Raises:
        pytest.UsageError: A target cannot be read.
    """
    options_of(config)
    theirs = config.pluginmanager.get_plugin(_THEIRS)
    if theirs is not None:
        config.pluginmanager.unregister(theirs)
    config.pluginmanager.register(Adopted(), "latencykit-adopted")


class Adopted:
    """The fixtures of adopted tests, and the choice of them by pytest-benchmark's own options."""

    @pytest.fixture
    def benchmark(self, request: pytest.FixtureRequest) -> Benchmark:
        """Measure a call as pytest-benchmark's fixture does, with percentiles and verdicts."""
        return Benchmark(request.node, meter_of(request.node))

    @pytest.fixture
    def benchmark_weave(self, benchmark: Benchmark) -> object:
        """Refuse to weave."""
        return benchmark.weave

    def pytest_report_header(self, config: pytest.Config) -> str | None:
        """Say which of pytest-benchmark's options are without effect."""
        given = [name for name in _WITHOUT_EFFECT if config.getoption(f"benchmark_{name}", None)]
        if not given:
            return None
        names = ", ".join(f"--benchmark-{name.removesuffix('_path').replace('_', '-')}" for name in given)
        return f"latencykit: adopted tests are measured without {names}; see --latencykit-json"

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Obey --benchmark-skip and --benchmark-only."""
        measured = "benchmark" in getattr(item, "fixturenames", ())
        if measured and item.config.getoption("benchmark_skip", default=False):
            pytest.skip("--benchmark-skip is given")
        if not measured and item.config.getoption("benchmark_only", default=False):
            pytest.skip("--benchmark-only is given")
