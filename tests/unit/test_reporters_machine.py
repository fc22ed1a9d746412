import pytest
from fabricated import make_environment, make_validity

from latencykit.model import Cache, Clock, Cpu, Hiccups, Memory, OperatingSystem, Storage, Validity
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


def test_what_is_below_the_minimum_says_what_the_minimum_is():
    assert "tier: below minimum (minimum: 4 cores at 3.0 GHz)" in lines()["cpu"]
    poor = make_environment(
        memory=Memory(total_bytes=4 << 30, tier="below minimum"),
        storage=Storage(path="/x", kind="hdd", tier="below minimum"),
    )
    assert "4 GiB; tier: below minimum (minimum: 8 GB)" in lines(poor)["memory"]
    assert "HDD under /x; tier: below minimum (minimum: an SSD)" in lines(poor)["storage"]


def test_what_is_unknown_says_what_could_not_be_read():
    unknown = make_environment(cpu=Cpu(physical_cores=8), memory=Memory(), storage=Storage(path="/x"))
    assert lines(unknown)["cpu"] == "unknown model, 8 cores; tier: unknown (clock rate cannot be read)"
    assert lines(unknown)["memory"] == "unknown; tier: unknown (size cannot be read)"
    assert (
        lines(unknown)["storage"] == "unknown kind under /x; tier: unknown (what lies below cannot be read)"
    )


def test_a_good_part_needs_no_reason():
    good = make_environment(memory=Memory(total_bytes=32 << 30, tier="recommended"))
    assert lines(good)["memory"] == "32 GiB; tier: recommended"


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
    assert (
        "bare metal" in lines(make_environment(os=OperatingSystem(name="Linux"), virtualized=False))["system"]
    )


@pytest.mark.parametrize(
    ("invariant", "words"), [(True, "GHz, res"), (False, "not invariant"), (None, "not known to be")]
)
def test_the_clock_says_whether_it_is_invariant(invariant, words):
    clock = Clock(source="TSC", frequency_hz=2e9, resolution_ns=10.0, invariant=invariant)
    assert words in lines(make_environment(clock=clock))["system"]
    assert lines(make_environment(clock=clock))["system"].endswith("resolution 10 ns")


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
