"""Finding components: built in by name, the user's by file."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from suite_files import write_suite

from latencykit.errors import UsageError
from latencykit.measuring import builtin
from latencykit.measuring.loading import describe, find, load, select

VARIANT = "@c.variant\ndef v():\n    return lk.call(abs, -1)\n"
PEER = "@c.variant(peer='numba')\ndef peer():\n    return lk.call(abs, -1)\n"


def names(sources):
    return [source.component.name for source in sources]


def test_all_is_every_built_in_component_but_those_on_request():
    sources = select(["all"])
    left_out = builtin.on_request_names()
    assert names(sources) == [name for name in builtin.built_in_names() if name not in left_out]
    assert select([]) == sources
    assert select(["all", "orders"]) == sources


def test_a_component_by_name_with_its_variants():
    (source,) = select(["stats_percentile"])
    assert source.origin == "latencykit.suites.stats_percentile"
    assert source.component.baseline in source.variants
    (source,) = select(["orders"], ["arena"])
    assert source.variants == ("arena",)
    assert source.operations == 1


def test_a_name_takes_the_further_settings_of_its_component_along():
    assert [source.component.name for source in select(["orders"])] == ["orders", "orders_allocation"]
    assert [source.component.name for source in select(["orders_allocation"])] == ["orders_allocation"]
    assert [source.component.name for source in select(["orderbook"])] == ["orderbook", "orderbook_snapshot"]


@pytest.fixture
def with_on_request(tmp_path, monkeypatch):
    """Have three built-in components, of which one is on request."""
    package = tmp_path / "made_suites"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name, more in (("made", ""), ("made_long", ", on_request=True"), ("other", "")):
        suite = f"import latencykit as lk\nc = lk.Component({name!r}{more})\n{VARIANT}"
        (package / f"{name}.py").write_text(suite)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(builtin, "PACKAGE", "made_suites")
    monkeypatch.setattr("latencykit.measuring.loading.PACKAGE", "made_suites")
    yield package
    for name in [name for name in sys.modules if name.startswith("made_suites")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([], ["made", "other"]),
        (["all"], ["made", "other"]),
        (["made"], ["made", "made_long"]),
        (["made_long"], ["made_long"]),
        (["all", "made_long"], ["made", "other", "made_long"]),
        (["made_long", "all"], ["made_long", "made", "other"]),
        (["all", "made"], ["made", "made_long", "other"]),
        (["other"], ["other"]),
    ],
)
def test_what_is_on_request_is_measured_when_it_is_named(wanted, found, with_on_request):
    assert sorted(names(select(wanted))) == sorted(found)


def test_what_is_on_request_is_marked_where_components_are_listed(with_on_request):
    with pytest.raises(UsageError, match=r"the components are: made, made_long \(on request\), other$"):
        select(["zzz"])
    assert builtin.on_request_names() == {"made_long"}


def test_a_file_names_what_is_on_request_in_it(tmp_path):
    path = write_suite(tmp_path, f"c.on_request = True\n{VARIANT}")
    assert names(select([path])) == ["made"]


def test_the_marks_are_what_the_built_in_suites_declare():
    declared = {
        component.name
        for name in builtin.built_in_names()
        for component in load(f"{builtin.PACKAGE}.{name}")
        if component.on_request
    }
    assert builtin.on_request_names() == declared


@pytest.mark.parametrize(
    "text",
    [
        "# on_request=True\n",
        "'on_request=True'\n",
        '"""A suite.\n\nIt has on_request=True in its head.\n"""\n',
        "c = f(on_request=False)\n",
        "c = f(not_on_request=True)\n",
    ],
)
def test_a_mark_is_not_taken_from_a_comment_or_a_text(text, with_on_request):
    (with_on_request / "other.py").write_text(text)
    assert builtin.on_request_names() == {"made_long"}


@pytest.mark.parametrize("text", ['c = f("x", on_request=True)\n', "c = f(\n    on_request=True,\n)\n"])
def test_a_mark_is_found_however_it_is_laid_out(text, with_on_request):
    (with_on_request / "other.py").write_text(text)
    assert builtin.on_request_names() == {"made_long", "other"}


@pytest.mark.parametrize(
    ("wanted", "variants", "message"),
    [
        (["ordres"], [], "component 'ordres' is unknown, did you mean 'orders'?; the components are: ablation "),
        (["zzz"], [], "component 'zzz' is unknown; the components are"),
        (["orders"], ["arnea"], "variant 'arnea' is unknown, did you mean 'arena'?; the variants are: naive, "),
        (["orders"], ["simd"], "variant 'simd' is unknown; the variants are: naive, slots"),
        (["missing.py"], [], "suite file missing.py does not exist"),
    ],
)
def test_what_does_not_exist_is_told_with_what_does(wanted, variants, message):
    with pytest.raises(UsageError) as raised:
        select(wanted, variants)
    assert message in str(raised.value)


def test_a_variant_keeps_only_the_components_that_have_it():
    assert [source.component.name for source in select(["orders", "indicators"], ["avx512"])] == ["indicators"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def broken(:\n", "cannot be imported: SyntaxError: "),
        ("\n\n1 / 0\n", "cannot be imported: ZeroDivisionError: division by zero (line 6)"),
        ("raise ValueError('one\\n two\\n\\nthree')\n", "cannot be imported: ValueError: one two (line 4)"),
        ("sys.exit(7)\n", "cannot be imported: SystemExit: 7 (line 4)"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module' (line 4)"),
        ("del c\n", "declares no latencykit.Component"),
        ("", "declares no variant of component 'made'"),
        (
            "c.claims = [lk.Claim(text='it saves', worse='a', better='b', times=(2, 3), parameters={'n': 1})]\n"
            "c.variant(lambda: None, name='a')\n",
            "claims 'it saves' of component 'made', which has no variant or parameter b, n; correct the claim",
        ),
        (f"{VARIANT}{VARIANT}", "already has a variant 'v'"),
    ],
)
def test_a_suite_that_cannot_be_used_is_told_in_one_line(body, message, tmp_path):
    path = write_suite(tmp_path, body)
    with pytest.raises(UsageError) as raised:
        load(path)
    text = str(raised.value)
    assert text.startswith(f"suite {path} ")
    assert message in text
    assert "\n" not in text


def test_a_suite_that_failed_can_be_imported_when_it_is_repaired(tmp_path):
    with pytest.raises(UsageError):
        load(write_suite(tmp_path, "1 / 0\n"))
    assert [c.name for c in load(write_suite(tmp_path, VARIANT))] == ["made"]


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "bench_binary.py"
    path.write_bytes(b"\x00\xff\x00")
    with pytest.raises(UsageError, match="cannot be imported"):
        load(str(path))


def test_two_components_of_one_name_are_refused(tmp_path):
    one, two = (write_suite(tmp_path, VARIANT, name=f"{name}.py") for name in ("one", "two"))
    with pytest.raises(UsageError) as raised:
        select([one, two])
    assert str(raised.value) == f"component 'made' is declared twice, in {one} and in {two}; rename one of the two"
    with pytest.raises(UsageError, match="component 'orders' is declared twice"):
        select(["orders", write_suite(tmp_path, VARIANT, component="orders")])


def test_one_file_given_twice_and_one_component_bound_twice_are_measured_once(tmp_path):
    path = write_suite(tmp_path, f"{VARIANT}again = c\n")
    assert len(select([path, path])) == 1


def test_peers_are_kept_when_asked_for(tmp_path):
    path = write_suite(tmp_path, VARIANT + PEER)
    assert select([path])[0].variants == ("v",)
    assert select([path], peers=True)[0].variants == ("v", "peer")
    assert select([path], ["peer"])[0].variants == ("peer",)


def test_nothing_but_peers_is_told(tmp_path):
    with pytest.raises(UsageError, match="made: every variant needs a third-party package; give --peers"):
        select([write_suite(tmp_path, PEER)])


def test_what_a_suite_prints_on_import_stays_out_of_standard_output(tmp_path, capsys):
    load(write_suite(tmp_path, f"print('noise')\n{VARIANT}"))
    assert capsys.readouterr() == ("", "noise\n")


def test_files_of_one_name_in_two_folders_are_two_suites(tmp_path):
    origins = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        origins.append(write_suite(tmp_path / name, VARIANT, component=name))
    assert [source.component.name for source in select(origins)] == ["a", "b"]


def test_modules_beside_a_suite_can_be_imported_either_way(tmp_path):
    (tmp_path / "limits_beside.py").write_text("LIMIT = '5ns'\n")
    body = "from .limits_beside import LIMIT\nimport limits_beside\nc.target = lk.Target('p50', LIMIT)\n"
    (component,) = load(write_suite(tmp_path, f"{body}{VARIANT}", name="bench.of things.py"))
    assert component.target.limit == "5ns"


def test_a_built_in_suite_can_be_given_by_its_path():
    path = str(Path(find_spec("latencykit.suites.orders").origin))
    (source,) = select([path])
    assert source.component.name == "orders"


def test_a_component_that_is_gone_is_told(tmp_path):
    path = write_suite(tmp_path, VARIANT)
    assert find(path, "made") is load(path)[0]
    with pytest.raises(UsageError, match="no longer declares a component 'other'"):
        find(path, "other")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError(), "ValueError"),
        (ValueError("\n \n"), "ValueError"),
        (
            ValueError("\nfirst line,\n  goes on. And on.\n \nsecond paragraph"),
            "ValueError: first line, goes on. And on.",
        ),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_an_exception_is_described_by_its_first_paragraph(error, text):
    assert describe(error) == text


@pytest.fixture(autouse=True)
def _path():
    before = list(sys.path)
    yield
    sys.path[:] = before
