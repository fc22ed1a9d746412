from fabricated import make_run, make_troubled_run

from latencykit.model import decode_run
from latencykit.reporters.jsonfile import render


def test_what_is_written_can_be_read():
    for run in (make_run(), make_troubled_run()):
        data = render(run)
        assert data.endswith(b"}\n")
        assert decode_run(data) == run
