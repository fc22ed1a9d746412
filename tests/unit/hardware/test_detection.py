"""Everything together, on other machines and on this one."""

import subprocess
import sys
from pathlib import Path

import pytest

import latencykit.hardware
from latencykit.environment import Clock, Environment
from latencykit.hardware import detect
from latencykit.hardware.tiers import overall

LOGS = Path("/nowhere/logs")


@pytest.fixture
def detected(machine, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("container", raising=False)
    return lambda name: detect(LOGS, Clock(source="monotonic"), root=machine(name))


def test_intel_desktop(detected):
    found = detected("intel_desktop")
    assert (found.cpu.tier, found.cpu.tier_reason) == ("below minimum", "2 cores, 4 wanted")
    assert (found.memory.tier, found.storage.tier) == ("recommended", "recommended")
    assert found.virtualized is False
    assert found.clock == Clock(source="monotonic", invariant=True, kernel_clocksource="tsc")
    assert any("powersave" in sentence for sentence in found.warnings)
    assert not any("virtual machine" in sentence for sentence in found.warnings)


def test_epyc_vm(detected):
    found = detected("epyc_vm")
    assert found.virtualized is True
    assert (found.memory.tier, found.storage.tier) == ("minimum", "unknown")
    assert any("virtual machine (google compute engine)" in sentence for sentence in found.warnings)
    assert any("kvm-clock" in sentence for sentence in found.warnings)


def test_nothing_to_read_is_unknown_and_never_good(detected):
    found = detected("nothing")
    assert {found.cpu.tier, found.memory.tier, found.storage.tier} == {"unknown"}
    assert overall(found).tier == "unknown"
    assert found.virtualized is None


@pytest.mark.parametrize("name", ["graviton", "container_v2", "epyc_vm"])
def test_other_machines_have_fingerprints_of_their_own(detected, name):
    assert detected(name).fingerprint not in {
        detected("intel_desktop").fingerprint,
        detected("nothing").fingerprint,
    }


def test_broken_files_are_unknown(tree):
    rubbish = "\x00\xff,-:[ @ GHz\n\n: :\n- - -"
    names = [
        "proc/cpuinfo",
        "proc/meminfo",
        "proc/self/mountinfo",
        "proc/self/cgroup",
        "etc/os-release",
        "sys/devices/system/cpu/online",
        "sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq",
        "sys/devices/system/cpu/cpu0/cache/index0/size",
    ]
    found = detect(LOGS, Clock(source="monotonic"), root=tree(dict.fromkeys(names, rubbish)))
    assert {found.cpu.tier, found.memory.tier, found.storage.tier} == {"unknown"}


def test_this_machine_twice_is_one_machine(tmp_path):
    first, second = detect(tmp_path), detect(tmp_path)
    assert isinstance(first, Environment)
    assert first.fingerprint == second.fingerprint
    assert first.cpu.logical_cores >= len(first.cpu.allowed_cpus) > 0
    assert first.memory.total_bytes >= first.memory.available_bytes > 0
    assert first.clock.source in {"tsc", "monotonic"}


def test_affinity_is_a_fact_of_the_run_and_not_of_the_machine(machine, monkeypatch):
    root = machine("intel_desktop")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    before = detect(LOGS, Clock(source="tsc"), root=root)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1})
    after = detect(LOGS, Clock(source="tsc"), root=root)
    assert after.cpu.allowed_cpus == [1]
    assert after.fingerprint == before.fingerprint
    assert len(after.warnings) == len(before.warnings) + 1


def test_a_system_without_affinity(machine, monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity")
    assert detect(LOGS, Clock(source="tsc"), root=machine("nothing")).cpu.allowed_cpus == []


def test_no_subprocess_is_run(machine, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a subprocess was started")

    monkeypatch.setattr("subprocess.Popen", refuse)
    monkeypatch.setattr("os.posix_spawn", refuse)
    monkeypatch.setattr("os.fork", refuse)
    detect(LOGS, Clock(source="tsc"), root=machine("intel_desktop"))


def test_the_package_itself_loads_nothing_heavy():
    code = (
        "import sys, latencykit.hardware; "
        "heavy = {'msgspec', 'numpy', 'latencykit._core'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/")


def test_an_unknown_name_of_the_package():
    with pytest.raises(AttributeError, match="no attribute 'guess'"):
        _ = latencykit.hardware.guess
