from importlib.machinery import ModuleSpec

import click
from click.shell_completion import CompletionItem

from latencykit.commands import completion


def complete(text: str) -> list[CompletionItem]:
    return completion.complete_what(click.Context(click.Command("bench")), click.Argument(["what"]), text)


def test_names_are_those_of_the_suites_files(tmp_path, monkeypatch):
    for name in ("orders", "engine", "targets", "__init__", "_shared"):
        (tmp_path / f"{name}.py").touch()

    spec = ModuleSpec("latencykit.suites", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(completion, "find_spec", lambda _name: spec)
    assert completion.component_names() == ["engine", "orders"]
    assert [item.value for item in complete("")] == ["all", "engine", "orders"]
    assert [item.value for item in complete("or")] == ["orders"]


def test_what_starts_no_name_is_left_to_the_shell_as_a_file():
    (item,) = complete("bench/be")
    assert (item.value, item.type) == ("bench/be", "file")
