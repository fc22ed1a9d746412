"""Sessions of the project: tests, native tests, lint, types, bench."""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["tests", "native", "lint", "types"]
nox.options.default_venv_backend = "venv"
# A CPython that is not installed is skipped, one that is installed must pass.
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.11", "3.12", "3.13"]
PYPROJECT = nox.project.load_toml("pyproject.toml")
ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
SANITIZERS = {"plain": "", "asan": "address,undefined", "tsan": "thread"}


def install(session: nox.Session, *groups: str) -> None:
    """Install the package itself and dependency groups, at the versions that the constraints file names."""
    wanted = [name for group in groups for name in nox.project.dependency_groups(PYPROJECT, group)]
    session.install("-c", str(CONSTRAINTS), ".", *wanted)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the Python tests against the installed package."""
    install(session, "test")
    session.run("pytest", *session.posargs)


@nox.session
@nox.parametrize("build", list(SANITIZERS))
def native(session: nox.Session, build: str) -> None:
    """Run the native tests with ctest: plain, under ASan and UBSan, under TSan."""
    session.install("-c", str(CONSTRAINTS), "cmake", "ninja")
    folder = Path("build", f"native-{build}")
    session.run(
        "cmake", "-S", ".", "-B", str(folder), "-G", "Ninja", "-DLATENCYKIT_TESTS=ON",
        f"-DLATENCYKIT_SANITIZE={SANITIZERS[build]}",
    )  # fmt: skip
    session.run("cmake", "--build", str(folder))
    session.run("ctest", "--test-dir", str(folder), "--output-on-failure", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and layers: ruff, import-linter, clang-format."""
    install(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    # From a folder where the installed package is found, suites and all, and not the source tree.
    with session.chdir(session.create_tmp()):
        session.run("lint-imports", "--config", str(ROOT / "pyproject.toml"))
    sources = sorted(str(path) for kind in ("*.h", "*.cpp") for path in Path("native").rglob(kind))
    session.run("clang-format", "--dry-run", "--Werror", *sources)


@nox.session
def types(session: nox.Session) -> None:
    """Check types: mypy strict, and the stub against the native module."""
    install(session, "types", "test", "nox")
    session.run("mypy")
    session.run("stubtest", "latencykit._core", "--mypy-config-file", str(ROOT / "pyproject.toml"))


@nox.session
def bench(session: nox.Session) -> None:
    """Run the built-in suites and keep the report as reports/bench.local.json."""
    install(session)
    session.run("latencykit", "bench", "all", "--json", "reports/bench.local.json", *session.posargs)


@nox.session
def selftest(session: nox.Session) -> None:
    """Hold the tool against operations of known cost, on the real clock of this machine."""
    install(session)
    session.run("latencykit", "selftest", *session.posargs)


@nox.session(default=False)
def clean(_session: nox.Session) -> None:
    """Remove build folders."""
    shutil.rmtree("build", ignore_errors=True)
