import pytest
from fabricated import make_environment, make_validity

from latencykit.environment import Cache, Clock, Cpu, Memory, OperatingSystem, Storage
from latencykit.model import Hiccups, Validity
from latencykit.reporters.machine import bytes_text, facts_of


def lines(environment=None, validity=None):
    facts = facts_of(environment or make_environment(), validity or make_validity())
    return {fact.label: fact.text + fact.word + fact.more for fact in facts}


def test_every_part_has_a_line_and_a_word():
    facts = facts_of(make_environment(), make_validity())
    assert [(fact.label, fact.word) for fact in facts] == [
        ("cpu", "below minimum"),
        ("memory", "minimum"),
        ("storage", "unknown"),
        ("system", ""),
        ("fitness", "fit"),
    ]


def test_what_is_not_good_or_not_known_says_why():
    assert "tier: below minimum (1 core, 4 wanted)" in lines()["cpu"]
    assert lines()["storage"].endswith("tier: unknown (what lies behind it cannot be seen)")


def test_what_is_good_needs_no_reason():
    assert lines()["memory"] == "15.6 GiB; transparent huge pages madvise; tier: minimum"


def test_what_could_not_be_read_is_unknown():
    unknown = make_environment(cpu=Cpu(physical_cores=8), memory=Memory(), storage=Storage(path="/x"))
    assert lines(unknown)["cpu"] == "unknown model, 8 cores, unknown clock rate; tier: unknown"
    assert lines(unknown)["memory"] == "unknown; tier: unknown"
    assert lines(unknown)["storage"] == "unknown kind under /x; tier: unknown"
    assert "CPU quota unknown" in lines(make_environment(os=OperatingSystem(name="Linux")))["system"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("cpufreq", "3.50 GHz at most;"),
        ("tsc", "3.50 GHz base clock;"),
        ("current", "3.50 GHz at present;"),
        (None, "3.50 GHz;"),
    ],
)
def test_a_clock_rate_says_what_it_is(source, text):
    assert text in lines(make_environment(cpu=Cpu(max_mhz=3500.0, mhz_source=source)))["cpu"]


def test_caches_are_those_that_hold_data_from_the_core_outwards():
    assert "L1 32 KiB L2 1 MiB L3 32 MiB" in lines()["cpu"]
    one = make_environment(cpu=Cpu(caches=[Cache(level=2, kind="unified", size_bytes=512 << 10)]))
    assert "; L2 512 KiB;" in lines(one)["cpu"]


def test_cores_that_are_not_ours_are_told():
    shared = make_environment(cpu=Cpu(physical_cores=8, logical_cores=16, allowed_cpus=[3]))
    assert "8 cores, 16 threads, 1 of them ours" in lines(shared)["cpu"]


def test_a_quota_and_its_throttling_are_told():
    system = OperatingSystem(name="Linux", container="docker", cpu_quota=1.5, throttled_periods=7)
    text = lines(make_environment(os=system, virtualized=None))["system"]
    assert "Linux unknown, virtualisation unknown, docker, quota 1.5 CPUs, throttled 7 times" in text
    assert "bare metal" in lines(make_environment(os=OperatingSystem(name="Linux"), virtualized=False))["system"]


@pytest.mark.parametrize(
    ("clock", "text"),
    [
        (
            Clock(source="tsc", frequency_hz=2e9, resolution_ns=10.0, invariant=True),
            "TSC 2.000 GHz, resolution 10 ns",
        ),
        (
            Clock(source="tsc", frequency_hz=2e9, invariant=False),
            "TSC 2.000 GHz not invariant, resolution n/a",
        ),
        (Clock(source="tsc", resolution_ns=1.0), "TSC not known to be invariant, resolution 1.0 ns"),
        (Clock(source="monotonic", resolution_ns=41.0), "the system's, resolution 41 ns"),
    ],
)
def test_the_clock_says_what_it_is_and_whether_it_can_be_trusted(clock, text):
    assert lines(make_environment(clock=clock))["system"].endswith(f"; clock {text}")


def test_a_machine_that_was_not_metered_is_not_said_to_have_lost_nothing():
    assert (
        lines(validity=Validity(verdict="unfit", stolen_ratio=0.0, hiccups=Hiccups()))["fitness"]
        == "unfit, not metered"
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (32 << 10, "32 KiB"),
        (16_766_000_000, "15.6 GiB"),
        (3 << 40, "3 TiB"),
        (None, "unknown"),
    ],
)
def test_sizes(size, text):
    assert bytes_text(size) == text
