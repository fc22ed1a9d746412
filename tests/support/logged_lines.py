"""What tests of the logger read: the parts of its lines, and what a program of their own wrote."""

import re
import subprocess
import sys

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) ([A-Z]+) (.*)", re.DOTALL)
STAMP = len("2026-01-02T03:04:05.123456789Z ")
DROPPED = re.compile(r"latencykit: (\d+) records? dropped because the ring was full")


def lines(path):
    """The parts of every line of a log: time, level, message."""
    found = [LINE.fullmatch(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    assert all(found)
    return [match.groups() for match in found]


def bodies(path):
    """Level and message of every line."""
    return [line[STAMP:] for line in path.read_text("utf-8").splitlines()]


def messages(path):
    return [message for _, _, message in lines(path)]


def run(code, *arguments, expect=0):
    """Run code in a fresh interpreter and return what it wrote to standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    return done.stdout, done.stderr
