"""Turn a timeit-style statement with its setup into an operation."""

import ast
import textwrap
from collections.abc import Callable

from latencykit.errors import UsageError
from latencykit.suite import Operation


def statement_operation(statement: str, setup: str = "pass") -> Operation:
    """Compile a statement into a function whose names are those that the setup made.

    The statement becomes the body of a function inside one whose body is the setup, as in timeit: what the setup
    assigns are fast closure variables, not globals.

    Args:
        statement: One or more Python statements.
        setup: Statements that run once, untimed.

    Returns:
        An operation whose floor is an empty Python function.

    Raises:
        UsageError: One of the two is not Python.
    """
    for what, text in (("setup", setup), ("statement", statement)):
        try:
            compile(text, f"<{what}>", "exec")
        except SyntaxError as error:
            raise UsageError(f"{what} {text!r} is not Python: {error.msg} (line {error.lineno})") from error
    shared = sorted(_assigned(setup) & _assigned(statement))
    body = f"nonlocal {', '.join(shared)}\n{statement}" if shared else statement
    source = "def _make():\n{}\n    def _statement():\n{}\n    return _statement\n".format(
        textwrap.indent(setup, "    "), textwrap.indent(body, "        ")
    )
    names: dict[str, Callable[[], Callable[[], object]]] = {}
    exec(compile(source, "<statement>", "exec"), names)  # noqa: S102 - timing given code is the purpose
    return Operation(names["_make"](), closure=True)


def _assigned(text: str) -> set[str]:
    """Return the names that the text assigns; what both texts assign is one variable, as it is in timeit."""
    nodes = ast.walk(ast.parse(text))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
