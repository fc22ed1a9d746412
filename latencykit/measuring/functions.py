"""Functions of the user as operations: ``module:function`` and ``FILE.py:function``."""

import difflib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from latencykit.errors import InvalidTypeError, UsageError
from latencykit.measuring.loading import import_origin
from latencykit.suite import Operation, as_operation


def split_reference(reference: str) -> tuple[str, str]:
    """Return the origin (a module name or an absolute path) and the function's name within it.

    Raises:
        UsageError: One of the two is missing, or the file does not exist.
    """
    module, _, name = reference.rpartition(":")
    if not module or not name or not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{reference!r} names no function; write module:function or FILE.py:function")
    if not module.endswith(".py"):
        return module, name
    path = Path(module)
    if not path.is_file():
        raise UsageError(f"file {module} does not exist; give the path of a Python file before ':{name}'")
    return str(path.resolve()), name


def find_function(origin: str, name: str) -> Callable[[], object]:
    """Import a module and return its function of that name.

    Args:
        origin: A module name, searched for last in the working directory; or the path of a Python file.
        name: The function's name, or a path of attributes such as ``Class.method``.

    Raises:
        UsageError: The module cannot be imported, or has no such function.
        InvalidTypeError: What it has cannot be called without arguments, or does not run when it is called.
    """
    folder = str(Path.cwd())
    if folder not in sys.path:  # as a script's folder would be, but behind what is installed
        sys.path.append(folder)
    value: Any = import_origin(origin, "file" if origin.endswith(".py") else "module")
    for part in name.split("."):
        if not hasattr(value, part):
            raise UsageError(f"{origin} has no function {name!r}{_nearest(part, value)}")
        value = getattr(value, part)
    _check_callable(f"{origin}:{name}", value)
    function: Callable[[], object] = value
    return function


def _nearest(name: str, owner: object) -> str:
    known = [key for key, value in vars(owner).items() if callable(value)] if hasattr(owner, "__dict__") else []
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f", did you mean {matches[0]!r}?" if matches else "; check the name"


def _check_callable(name: str, value: object) -> None:
    if not callable(value):
        raise InvalidTypeError(f"{name} is {type(value).__name__}, which cannot be called; name a function")
    if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
        raise InvalidTypeError(
            f"{name} is an async function: to call it only makes a coroutine; "
            "name a function that runs it, for example with asyncio.run"
        )
    if inspect.isgeneratorfunction(value):
        raise InvalidTypeError(
            f"{name} is a generator function: to call it runs none of it; name a function that exhausts it"
        )
    if needed := _needed(value):
        raise InvalidTypeError(
            f"{name} takes arguments ({', '.join(needed)}); name a function without, which calls it with some"
        )


def _needed(function: Callable[..., object]) -> list[str]:
    """Return the names of the parameters that have no default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some built-in functions tell nothing
        return []
    unbound = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind not in unbound]


def function_operation(origin: str, name: str) -> Operation:
    """Return the function as an operation; what it raises is as in `find_function`."""
    return as_operation(find_function(origin, name))


def check_result(operation: Operation) -> None:
    """Call an operation once, and make sure that it did its work when it returned.

    Raises:
        InvalidTypeError: It returned something to be awaited.
        Exception: Whatever the operation raises.
    """
    result = operation.function(*operation.rows[0])
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise InvalidTypeError(
            f"it returned a {type(result).__name__}, which does its work only when awaited; "
            "run it within the operation, for example with asyncio.run"
        )
