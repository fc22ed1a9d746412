"""The dependency rules that import-linter cannot see: of the native module and of the native headers."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT_CORE = ("engine/", "measuring/", "profiling/", "hardware/", "histogram.py")
MODULES = sorted((ROOT / "latencykit").rglob("*.py")) + sorted((ROOT / "suites").glob("*.py"))
HEADERS = sorted(p for room in ("latency", "kernels") for p in (ROOT / "native" / room).iterdir())


def imports_core(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        if any(name == "latencykit._core" or name.startswith("latencykit._core.") for name in names):
            return True
    return False


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_rooms_that_make_or_read_nanoseconds_import_the_native_module(path):
    room = path.relative_to(ROOT / "latencykit") if path.is_relative_to(ROOT / "latencykit") else path
    assert str(room).startswith(MAY_IMPORT_CORE) or not imports_core(path)


def test_the_check_sees_an_import():
    assert imports_core(ROOT / "latencykit" / "measuring" / "sampling.py")


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.name)
def test_what_is_below_the_bindings_knows_no_python(path):
    assert not re.search(r"#include\s*[<\"](Python\.h|numpy/|bind/)", path.read_text())
