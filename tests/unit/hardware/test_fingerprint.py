"""The fingerprint: what changes it, and what does not."""

import msgspec
import pytest

from latencykit.environment import Cache, Cpu, Memory, OperatingSystem, PythonBuild
from latencykit.hardware.fingerprint import fingerprint_of, fitted_gib, kernel_series

GIB = 1024**3
PARTS = {
    "cpu": Cpu(
        model="A", physical_cores=4, logical_cores=8, isa=["avx2", "fma"], max_mhz=2600.0,
        allowed_cpus=[0, 1], governor="performance", caches=[Cache(level=1, kind="data", size_bytes=32768)],
    ),
    "memory": Memory(total_bytes=int(15.4 * GIB), available_bytes=GIB),
    "system": OperatingSystem(name="Linux", kernel="6.1.0-18-amd64", hypervisor="kvm"),
    "python": PythonBuild(
        implementation="CPython", version="3.11.7", compiler="GCC 12", debug=False, gil=True, executable="/a"
    ),
}  # fmt: skip


def fingerprint(*, virtualized=True, part="cpu", **changes):
    parts = {**PARTS, part: msgspec.structs.replace(PARTS[part], **changes)}
    return fingerprint_of(*parts.values(), virtualized=virtualized)


def test_it_is_the_same_on_every_version_of_python_and_short():
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 16


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("cpu", {"model": "B"}),
        ("cpu", {"physical_cores": 8}),
        ("cpu", {"isa": ["avx2"]}),
        ("cpu", {"caches": []}),
        ("cpu", {"governor": "powersave"}),
        ("memory", {"total_bytes": 8 * GIB}),
        ("memory", {"total_bytes": None}),
        ("system", {"kernel": "6.2.0"}),
        ("system", {"hypervisor": None}),
        ("python", {"version": "3.11.8"}),
        ("python", {"debug": True}),
        ("python", {"profile_guided": True}),
    ],
)
def test_what_makes_machines_unlike(part, changes):
    assert fingerprint(part=part, **changes) != fingerprint()


def test_a_guest_is_unlike_the_machine_itself():
    assert fingerprint(virtualized=False) != fingerprint(virtualized=True)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("cpu", {"max_mhz": 4700.0}),
        ("cpu", {"allowed_cpus": [1]}),
        ("cpu", {"isa": ["fma", "avx2"]}),
        ("memory", {"total_bytes": int(15.6 * GIB), "available_bytes": 0}),
        ("system", {"kernel": "6.1.4", "throttled_periods": 9, "cpu_quota": 1.0}),
        ("python", {"executable": "/b"}),
    ],
)
def test_what_changes_from_minute_to_minute_is_left_out(part, changes):
    assert fingerprint(part=part, **changes) == fingerprint()


@pytest.mark.parametrize(
    ("gib", "fitted"),
    [
        (0.48, 0.5),
        (3.7, 4),
        (7.6, 8),
        (15.3, 16),
        (15.6, 16),
        (23.5, 24),
        (31.2, 32),
        (62.4, 64),
        (251.5, 256),
        (8, 8),
    ],
)
def test_fitted_memory(gib, fitted):
    assert fitted_gib(int(gib * GIB)) == fitted


def test_no_memory_at_all_is_no_error():
    assert fitted_gib(0) > 0


@pytest.mark.parametrize(
    ("release", "series"), [("6.1.0-18-amd64", "6.1"), ("6.18.44", "6.18"), ("5.4-rc1", "5.4"), (None, None)]
)
def test_kernel_series(release, series):
    assert kernel_series(release) == series
