"""A strategy that the command line names."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from latencykit.engine.engine import Strategy
from latencykit.errors import UsageError


def load_strategy(name: str) -> Strategy:
    """Return the function that ``MODULE:FUNCTION`` or ``FILE.py:FUNCTION`` names.

    Raises:
        UsageError: There is none, its module cannot be imported, or it cannot be called.
    """
    origin, _, function = name.rpartition(":")
    if not origin or not function:
        raise UsageError(f"--strategy {name!r} is not module:function; write for example strategies.py:decide")
    try:
        module = _import_file(Path(origin)) if origin.endswith(".py") else _import_module(origin)
    except Exception as error:
        raise UsageError(f"--strategy {name}: {origin} cannot be imported: {_said(error)}") from error
    found = getattr(module, function, None)
    if found is None:
        raise UsageError(f"--strategy {name}: {origin} has no {function!r}; name a function of it")
    if not callable(found):
        raise UsageError(f"--strategy {name} cannot be called; name a function of four arguments")
    strategy: Strategy = found
    return strategy


def _import_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does: a strategy lies beside the user
    return importlib.import_module(name)


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError("there is no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def _said(error: Exception) -> str:
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
