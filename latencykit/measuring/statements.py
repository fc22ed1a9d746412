"""Turn a timeit-style statement with its setup into an operation."""

import ast
import symtable
from collections.abc import Callable
from types import CodeType
from typing import cast

from latencykit.errors import UsageError
from latencykit.suite import Operation

_TEMPLATE = """
def _make():
    def _statement():
        pass
    return _statement
"""


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
        UsageError: One of the two is not Python, or the statement is empty.
    """
    before, timed = _parsed("setup", setup), _parsed("statement", statement)
    if not timed:
        raise UsageError(f"statement {statement!r} is empty; give one to measure")
    shared = sorted(_assigned(setup) & _assigned(statement))
    try:
        code = _composed(before, [ast.Nonlocal(shared), *timed] if shared else timed)
    except SyntaxError as error:  # what is allowed at the top of a module but not in a function
        raise UsageError(f"statement {statement!r} with setup {setup!r} is not Python: {error.msg}") from error
    names: dict[str, Callable[[], Callable[[], object]]] = {}
    exec(code, names)  # noqa: S102 - timing given code is the purpose
    return Operation(names["_make"](), closure=True)


def _parsed(what: str, text: str) -> list[ast.stmt]:
    try:
        compile(text, f"<{what}>", "exec")
    except SyntaxError as error:
        line = f" (line {error.lineno})" if error.lineno else ""
        raise UsageError(f"{what} {text!r} is not Python: {error.msg}{line}") from error
    return ast.parse(text).body


def _composed(setup: list[ast.stmt], statement: list[ast.stmt]) -> CodeType:
    # Trees are joined and not texts, because indenting a text changes what its strings of several lines say.
    tree = ast.parse(_TEMPLATE)
    make = cast("ast.FunctionDef", tree.body[0])
    inner, leave = make.body
    cast("ast.FunctionDef", inner).body = statement
    make.body = [*setup, inner, leave]
    return compile(ast.fix_missing_locations(tree), "<statement>", "exec")


def _assigned(text: str) -> set[str]:
    """Return the names that the text assigns outside functions; one in both texts is one variable, as in timeit."""
    symbols = symtable.symtable(text, "<text>", "exec").get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned()}
