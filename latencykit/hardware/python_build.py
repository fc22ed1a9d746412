"""Read how this interpreter was built, because figures of unlike builds cannot be compared."""

import platform
import re
import sys
import sysconfig
from collections.abc import Mapping

from latencykit.environment import PythonBuild


def read_python() -> PythonBuild:
    """Read the interpreter that runs this."""
    # CPython 3.13 can be built without the GIL, and then says whether it is on; all before it have it.
    gil_enabled = getattr(sys, "_is_gil_enabled", None)
    names = ("CONFIG_ARGS", "PY_CFLAGS", "PY_CORE_CFLAGS", "PY_LDFLAGS", "Py_DEBUG")
    variables = {name: str(value) for name in names if (value := sysconfig.get_config_var(name)) is not None}
    # Only a debug build counts all references.
    debug = hasattr(sys, "gettotalrefcount") or variables.get("Py_DEBUG") == "1"
    return PythonBuild(
        implementation=platform.python_implementation(),
        version=platform.python_version(),
        compiler=platform.python_compiler(),
        optimised=is_optimised(variables, debug=debug),
        profile_guided=is_profile_guided(variables),
        link_time=is_link_time(variables),
        debug=debug,
        gil=True if gil_enabled is None else bool(gil_enabled()),
        executable=sys.executable or "",
    )


def is_optimised(variables: Mapping[str, str], *, debug: bool) -> bool | None:
    """Return whether the compiler optimised for speed, by -O2 or -O3; None is unknown.

    Args:
        variables: The build's variables, as sysconfig has them.
        debug: Whether this is a debug build, which is never optimised for speed.
    """
    if debug:
        return False
    # The last -O on a compiler's command line is the one that counts.
    levels = re.findall(r"(?<!\S)-O(\w*)", _flags(variables))
    if levels:
        return levels[-1] in {"2", "3", "fast"}
    return True if is_profile_guided(variables) else None


def is_profile_guided(variables: Mapping[str, str]) -> bool | None:
    """Return whether the interpreter was built with a profile of its use; None is unknown."""
    return _has(variables, "--enable-optimizations", r"-fprofile-(instr-)?use")


def is_link_time(variables: Mapping[str, str]) -> bool | None:
    """Return whether the interpreter was optimised as a whole when it was linked; None is unknown."""
    return _has(variables, r"--with-lto(?!=no)", r"-flto")


def _has(variables: Mapping[str, str], option: str, flag: str) -> bool | None:
    if not variables.get("CONFIG_ARGS") and not _flags(variables):
        return None
    return bool(re.search(option, variables.get("CONFIG_ARGS", "")) or re.search(flag, _flags(variables)))


def _flags(variables: Mapping[str, str]) -> str:
    # The core's flags end with what the core itself adds, so they are read last.
    names = ("PY_LDFLAGS", "PY_CFLAGS", "PY_CORE_CFLAGS")
    return " ".join(variables[name] for name in names if name in variables)
