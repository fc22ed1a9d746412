import click
from click.shell_completion import CompletionItem

from latencykit.commands import completion


def complete(text: str) -> list[CompletionItem]:
    return completion.complete_what(click.Context(click.Command("bench")), click.Argument(["what"]), text)


def test_names_and_all_are_completed(monkeypatch):
    monkeypatch.setattr(completion, "built_in_names", lambda: ["engine", "orders"])
    assert [item.value for item in complete("")] == ["all", "engine", "orders"]
    assert [item.value for item in complete("or")] == ["orders"]


def test_what_is_on_request_is_marked(monkeypatch):
    monkeypatch.setattr(completion, "built_in_names", lambda: ["engine", "orders"])
    monkeypatch.setattr(completion, "on_request_names", lambda: frozenset({"orders"}))
    assert [(item.value, item.help) for item in complete("")] == [
        ("all", None),
        ("engine", None),
        ("orders", "on request: not part of all"),
    ]


def test_what_starts_no_name_is_left_to_the_shell_as_a_file():
    (item,) = complete("bench/be")
    assert (item.value, item.type) == ("bench/be", "file")
