"""The commands as a user runs them: in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path


def run_command(*arguments: str, cwd: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run ``latencykit ARGUMENTS`` in a folder, with more of an environment; return its output and status."""
    return subprocess.run(
        [sys.executable, "-m", "latencykit", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environ},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
