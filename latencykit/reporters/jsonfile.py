"""A run as JSON of the schema ``latencykit.run/1``, comparisons as JSON of ``latencykit.compare/1``."""

from latencykit.comparison import Report, encode_report
from latencykit.model import Run, encode_run


def render(document: Run | Report) -> bytes:
    """Return a run or a report of comparisons as indented JSON, ending in a newline."""
    return encode_run(document) if isinstance(document, Run) else encode_report(document)
