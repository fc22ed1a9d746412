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


def contenders(text: str, *components: str) -> list[str]:
    context = click.Context(click.Command("compare"))
    context.params["components"] = components
    return [item.value for item in completion.complete_contender(context, click.Argument(["a"]), text)]


def test_variants_and_components_are_completed(monkeypatch):
    names = {"orders": ["arena", "dict"], "queues": ["mutex", "dict"]}
    monkeypatch.setattr(completion, "variant_names", lambda: names)
    assert contenders("") == ["arena", "dict", "mutex", "orders/", "queues/"]
    assert contenders("d") == ["dict"]
    assert contenders("queues/") == ["queues/mutex", "queues/dict"]
    assert contenders("queues/m") == ["queues/mutex"]
    assert contenders("", "queues") == ["mutex", "dict", "queues/"]


def test_what_starts_no_variant_is_left_to_the_shell_as_a_file(monkeypatch):
    monkeypatch.setattr(completion, "variant_names", lambda: {"orders": ["arena"]})
    context = click.Context(click.Command("compare"))
    (item,) = completion.complete_contender(context, click.Argument(["a"]), "runs/ba")
    assert (item.value, item.type) == ("runs/ba", "file")


def test_one_component_is_completed(monkeypatch):
    monkeypatch.setattr(completion, "built_in_names", lambda: ["engine", "orders"])
    context, parameter = click.Context(click.Command("compare")), click.Option(["--component"])
    assert [item.value for item in completion.complete_component(context, parameter, "e")] == ["engine"]
    (item,) = completion.complete_component(context, parameter, "b.py")
    assert item.type == "file"


def test_variants_of_the_built_in_components_are_read_from_their_text():
    names = completion.variant_names()
    assert {"mutex", "lockfree", "culsans"} <= set(names["queues"])
    assert set(names["orders"]) >= {"arena", "slots"}


def test_what_starts_no_name_is_left_to_the_shell_as_a_file():
    (item,) = complete("bench/be")
    assert (item.value, item.type) == ("bench/be", "file")
