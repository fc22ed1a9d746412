"""The programs in reports/, which are no package: imported by their name."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

REPORTS = Path(__file__).parents[2] / "reports"


def report_script(name: str) -> ModuleType:
    """Import a program of reports/; skip the module that asks where they are not shipped."""
    if not REPORTS.is_dir():
        pytest.skip("the reports are not shipped with the package", allow_module_level=True)
    sys.path.insert(0, str(REPORTS))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(REPORTS))
