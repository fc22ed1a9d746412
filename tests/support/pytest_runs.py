"""Real pytest runs in a process of their own, quick and on a machine that is as fit as a test wants it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree as ET

# Too short for good figures, long enough for every phase. The fitness is what the test says, not what the machine is.
_CONFTEST = """
import os
from latencykit import measurement
from latencykit.measuring import effort
from latencykit.model import Hiccups, Validity

effort._LEVELS["quick"] = (30_000_000, None, 1_000_000)
effort._LEVELS["rigorous"] = (90_000_000, None, 1_000_000)

def judge(readings):
    return Validity(verdict=os.environ["FITNESS"], stolen_ratio=0.5, hiccups=Hiccups(windows=2))

measurement.judge_machine = judge
"""


@dataclass(frozen=True)
class Outcome:
    """How a pytest run ended: exit status, text, each test's outcome and message, and the run that it wrote."""

    status: int
    text: str
    tests: dict[str, tuple[str, str]]
    run: dict | None

    def of(self, name: str) -> str:
        return self.tests[name][0]

    def message(self, name: str) -> str:
        return self.tests[name][1]

    def results(self, variant: str) -> list[dict]:
        return [row for row in self.run["results"] if row["variant"] == variant]


def run_pytest(folder: Path, tests: str, *options: str, fitness: str = "fit", conftest: str = _CONFTEST) -> Outcome:
    """Write `test_made.py` and run it."""
    folder.mkdir(exist_ok=True)
    (folder / "test_made.py").write_text(dedent(tests), encoding="utf-8")
    (folder / "conftest.py").write_text(conftest, encoding="utf-8")
    (folder / "pytest.ini").touch()
    xml, made = folder / "junit.xml", folder / "run.json"
    environ = {**os.environ, "FITNESS": fitness, "COLUMNS": "140", "PY_COLORS": "0"}
    environ.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", f"--junit-xml={xml}", *options],
        cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    run = json.loads(made.read_text()) if made.exists() else None
    return Outcome(done.returncode, done.stdout + done.stderr, _outcomes(xml), run)


def _outcomes(path: Path) -> dict[str, tuple[str, str]]:
    if not path.exists():
        return {}
    tests = {}
    for case in ET.parse(path).iter("testcase"):
        found = [(part.tag, f"{part.get('message')}\n{part.text}") for part in case if part.tag != "system-out"]
        tests[case.get("name")] = found[0] if found else ("passed", "")
    return tests
