"""A run as JSON of the schema ``latencykit.run/1``."""

from latencykit.model import Run, encode_run


def render(run: Run) -> bytes:
    """Return the run as indented JSON, ending in a newline."""
    return encode_run(run)
