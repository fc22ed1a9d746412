"""Runs that nobody measured, for tests of what shows, stores and judges them."""

from typing import Any

from latencykit.environment import Cache, Clock, Cpu, Environment, Memory, OperatingSystem, PythonBuild, Storage
from latencykit.model import ClaimCheck, Failure, Growth, Hiccups, Result, Run, TargetVerdict, Validity

# Variants that are there for contrast and are not judged.
UNJUDGED = {"numpy", "scalar"}

# component: claimed, limit, then variant: (baseline, p50, p99, p99.9, floor, allocations, speedup)
FIGURES: dict[str, Any] = {
    "orders": (
        100e3,
        100,
        {"dataclass": (True, 186.4, 260, 1930, 29.8, 3), "arena": (False, 35.2, 40, 80, 17.6, 0)},
    ),
    "indicators": (
        10e6,
        500,
        {
            "naive": (True, 57_213.0, 61_210, 93_400, 17.6, 1002),
            "numpy": (False, 46_020.0, 51_330, 80_000, 17.6, 14.5),
            "scalar": (False, 2711.0, 2890, 14_200, 17.6, 0),
            "simd": (False, 268.3, 300, 12_410, 17.6, 0),
        },
    ),
    "logging": (
        50e3,
        50,
        {"file": (True, 12_034.0, 19_760, None, 17.6, 22), "site": (False, 32.6, 40, 1210, 17.6, 0)},
    ),
    "signals": (
        1e6,
        1000,
        {"naive": (True, 61_800.0, 70_200, 141_000, 29.8, 41), "native": (False, 61.4, 70, 90, 17.6, 0)},
    ),
    "engine": (
        2e9,
        10e6,
        {
            "naive": (True, 96_210.0, 131_000, None, 29.8, 97),
            "production": (False, 412.0, 530, 9870, 29.8, 0),
        },
    ),
}


def make_environment(**changes: Any) -> Environment:
    """Return a machine much like a small virtual one."""
    parts: dict[str, Any] = {
        "cpu": Cpu(
            model="AMD EPYC 9B14 96-Core Processor",
            vendor="AuthenticAMD",
            architecture="x86_64",
            physical_cores=1,
            logical_cores=2,
            allowed_cpus=[0, 1],
            isa=["sse4_2", "avx", "avx2", "fma"],
            caches=[
                Cache(level=3, kind="Unified", size_bytes=32 << 20),
                Cache(level=1, kind="Data", size_bytes=32 << 10),
                Cache(level=1, kind="Instruction", size_bytes=32 << 10),
                Cache(level=2, kind="Unified", size_bytes=1 << 20),
            ],
            max_mhz=2596.0,
            mhz_source="tsc",
            tier="below minimum",
            tier_reason="1 core, 4 wanted",
        ),
        "memory": Memory(
            total_bytes=16_766_000_000,
            huge_pages="madvise",
            tier="minimum",
            tier_reason="15.6 GiB, 16 GB wanted",
        ),
        "storage": Storage(
            path="/tmp",
            kind="virtual",
            filesystem="ext4",
            free_bytes=41 << 30,
            tier_reason="what lies behind it cannot be seen",
        ),
        "os": OperatingSystem(
            name="Linux",
            kernel="6.18.0",
            distribution="Debian 12",
            hypervisor="KVM",
            cpu_quota_source="/sys/fs/cgroup",
        ),
        "python": PythonBuild(
            implementation="CPython",
            version="3.11.7",
            compiler="GCC 12.2.0",
            debug=False,
            gil=True,
            executable="python",
        ),
        "clock": Clock(source="tsc", frequency_hz=2.596e9, resolution_ns=10.0, invariant=True),
        "virtualized": True,
        "fingerprint": "0123456789abcdef",
    }
    return Environment(**{**parts, **changes})


def make_results(component: str = "orders", verdict: str = "met", **changes: Any) -> list[Result]:
    """Return the two results of each of a component's operations, batched and per call."""
    claimed, limit, variants = FIGURES[component]
    baseline_p50 = next(figures[1] for figures in variants.values() if figures[0])
    results = []
    for variant, (baseline, p50, p99, p999, floor, allocations) in variants.items():
        target = TargetVerdict("p50", limit, verdict, claimed_ns=claimed)  # type: ignore[arg-type]
        common: dict[str, Any] = {
            "component": component,
            "variant": variant,
            "baseline": baseline,
            "resolution_ns": 10.0,
            "min_ns": p50 - 2,
            "mean_ns": p50 + 5,
            "histogram": "",
            "allocations_per_op": float(allocations),
            "speedup_vs_baseline": baseline_p50 / p50,
            **changes,
        }
        judged = None if baseline or variant in UNJUDGED else target
        batched = {
            "mode": "batched",
            "count": 200,
            "batch_size": 500,
            "floor_ns": floor,
            "p50_ns": p50,
            "target": judged,
        }
        per_call = {
            "mode": "per_call",
            "count": 9000,
            "floor_ns": 40.0,
            "p50_ns": p50 + 3,
            "p99_ns": p99,
            "p999_ns": p999,
        }
        results += [Result(**{**common, **batched}), Result(**{**common, **per_call})]
    return results


def make_claim(text: str = "an allocation costs", **changes: Any) -> ClaimCheck:
    """Return a claim on the orders of `make_results`."""
    parts = {"unit": "ns", "low": 10e3, "high": None, "measured": 151.2, **changes}
    return ClaimCheck(text=text, worse="orders/dataclass", better="orders/arena", **parts)


def make_growth(variant: str = "simd", **changes: Any) -> Growth:
    """Return how an indicator's time grows with the length, in proportion."""
    parts: dict[str, Any] = {
        "points": 5,
        "low": 1000,
        "high": 10_000_000,
        "exponent": 0.987,
        "interval": (0.962, 1.012),
        "power_law": True,
        "last_exponent": 1.003,
        **changes,
    }
    return Growth(component="indicators", variant=variant, parameter="length", **parts)


def make_growths() -> list[Growth]:
    """Return one growth of each kind."""
    nothing = dict.fromkeys(("exponent", "interval", "power_law", "last_exponent"))
    return [
        make_growth("naive", exponent=1.0, interval=(0.998, 1.002)),
        make_growth("simd", parameters={"series": 1}),
        make_growth("simd", parameters={"series": 32}, exponent=0.71, interval=(0.4, 1.02), power_law=False),
        make_growth("scalar", points=2, low=10, high=100, **nothing),
        make_growth("numpy", points=0, low=None, high=None, **nothing),
    ]


def make_validity(verdict: str = "fit", stolen_ratio: float = 0.004) -> Validity:
    """Return a metered machine."""
    hiccups = Hiccups(windows=12, observed_ns=600_000_000, lost_ns=2_400_000, count=31, longest_ns=1_230_000)
    return Validity(verdict=verdict, stolen_ratio=stolen_ratio, hiccups=hiccups)  # type: ignore[arg-type]


def make_run(**changes: Any) -> Run:
    """Return a whole run of five components in which every target is met."""
    parts: dict[str, Any] = {
        "id": "20260102-030405-1a2b",
        "started_at": "2026-01-02T03:04:05Z",
        "argv": ["bench", "all"],
        "environment": make_environment(),
        "validity": make_validity(),
        "results": [result for component in FIGURES for result in make_results(component)],
        "claims": [make_claim(), make_claim("SIMD is faster by", unit="times", low=4, high=8, measured=None)],
        "components": {"orders": "create one order: symbol, side, quantity, price", "signals": "take in one tick"},
    }
    return Run(**{**parts, **changes})


def make_troubled_run() -> Run:
    """Return a run with one of everything that can go wrong in it."""
    missed = make_results("logging", "missed")
    noisy = [
        result
        if result.target is None
        else type(result)(**{**_fields(result), "target": TargetVerdict("p999", 1e6, "inconclusive", _STOLEN)})
        for result in make_results("signals")
    ]
    empty = [
        type(result)(**{**_fields(result), **_AT_FLOOR[result.mode]})
        for result in make_results("orders")
        if not result.baseline
    ]
    return make_run(
        validity=make_validity("noisy", 0.123),
        environment=make_environment(
            cpu=Cpu(tier_reason="cores unknown, 4 wanted; clock unknown, 3.0 GHz wanted"),
            warnings=["the TSC is not invariant: CLOCK_MONOTONIC is used"],
        ),
        results=[*empty, *missed, *noisy],
        failures=[
            Failure(
                "engine",
                "production",
                {},
                "ZeroDivisionError: division by zero\n(bench_x.py, line 12)",
                "Traceback",
            ),
            Failure("bars", "", {}, "the process died of signal 11"),
            Failure("ticks", "", {}, "the process died of signal 11"),
        ],
        complete=False,
    )


_STOLEN = "12.3 % of the machine's time was stolen, too much for p99.9"
_AT_FLOOR: dict[str, dict[str, Any]] = {
    "batched": {"p50_ns": 0.4, "p50_interval_ns": (-0.6, 1.1), "allocations_per_op": None},
    "per_call": {"p99_ns": 0.0, "p999_ns": 10.0, "allocations_per_op": None},
}


def _fields(result: Result) -> dict[str, Any]:
    return {name: getattr(result, name) for name in result.__struct_fields__}
