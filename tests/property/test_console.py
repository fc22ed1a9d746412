"""Whatever the names and the width, the table loses nothing."""

import msgspec
from fabricated import make_results, make_run
from hypothesis import given, settings
from hypothesis import strategies as st

from latencykit.reporters.console import render
from latencykit.reporters.rows import rows_of

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_-.", min_size=1, max_size=60)


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.integers(80, 240), st.floats(0, 1e12))
def test_no_name_and_no_number_is_ever_cut(names, width, p99_ns):
    template = make_results("signals")[2:]
    results = [
        msgspec.structs.replace(result, component=name[::-1], variant=name, p99_ns=p99_ns)
        for name in names
        for result in template
    ]
    run = make_run(results=results)
    text = render(run, width=width, colour=False)
    words = f" {text} ".replace("\n", "  ").replace("/", "  ")
    for row in rows_of(results):
        for cell in (
            row.component,
            row.variant,
            row.p50,
            row.p99,
            row.p999,
            row.floor,
            row.speedup,
            row.target,
        ):
            assert f" {cell} " in words
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= max(width, 2 * 60 + 1)
