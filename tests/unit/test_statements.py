import pytest

from latencykit.errors import UsageError
from latencykit.measuring.statements import statement_operation


def test_a_statement_sees_what_the_setup_made():
    operation = statement_operation("seen.append(n)", "seen = []; n = 3")
    operation.function()
    operation.function()
    cells = dict(zip(operation.function.__code__.co_freevars, operation.function.__closure__, strict=True))
    assert cells["seen"].cell_contents == [3, 3]


def test_its_floor_is_an_empty_python_function():
    assert statement_operation("pass").closure


def test_what_both_assign_is_one_variable():
    operation = statement_operation("count += 1\ntotal = count", "count = 0")
    operation.function()
    operation.function()
    assert operation.function.__closure__[0].cell_contents == 2


def test_statements_of_several_lines_and_imports():
    operation = statement_operation(
        "for x in values:\n    if x:\n        math.sqrt(x)\n", "import math\nvalues = [0, 4]"
    )
    operation.function()


@pytest.mark.parametrize(
    ("statement", "setup", "message"),
    [
        ("1 +", "pass", "statement '1 +' is not Python: invalid syntax (line 1)"),
        ("pass", "x =", "setup 'x =' is not Python: invalid syntax (line 1)"),
        ("return 1", "pass", "statement 'return 1' is not Python: 'return' outside function"),
        ("x = 1\n  y = 2", "pass", "unexpected indent (line 2)"),
        ("\0", "pass", "statement '\\x00' is not Python: "),
        ("", "pass", "statement '' is empty"),
        ("# nothing", "pass", "statement '# nothing' is empty"),
        ("nonlocal x", "x = 1", "statement 'nonlocal x' is not Python: "),
        ("await x", "pass", "is not Python: 'await' outside function"),
        ("from math import *", "pass", "is not Python: import * only allowed at module level"),
        ("pass", "from __future__ import annotations", "is not Python: from __future__ imports must occur"),
        ("global x\nx = 2", "x = 1", "is not Python: "),
    ],
)
def test_what_is_not_python_is_told(statement, setup, message):
    with pytest.raises(UsageError) as raised:
        statement_operation(statement, setup)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("statement", "setup"),
    [
        ("y = 2", "def f():\n    y = 1"),  # f's own y is another one
        ("[y for y in (1, 2)]", "y = 3"),
        ("import math", "import math"),
        ("def f(): pass", "f = 1"),
        ("for i in (1,): pass", "i = 0"),
        ("del x\nx = 1", "x = 1"),
        ("(n := 1)", "n = 0"),
    ],
)
def test_names_of_both_texts_go_together(statement, setup):
    operation = statement_operation(statement, setup)
    operation.function()
    operation.function()


@pytest.mark.parametrize("setup", ["", "# nothing", "\n", "'''a\ntext'''"])
def test_a_setup_may_be_empty(setup):
    statement_operation("pass", setup).function()


def test_a_text_over_lines_keeps_its_lines():
    operation = statement_operation("seen.append(text)", "seen = []\ntext = '''a\nb'''")
    operation.function()
    assert operation.function.__closure__[0].cell_contents == ["a\nb"]


def test_what_the_setup_raises_comes_through():
    with pytest.raises(ZeroDivisionError):
        statement_operation("pass", "1 / 0")
