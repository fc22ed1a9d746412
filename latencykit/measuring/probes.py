"""Operations of known cost, for tests of the tool itself."""

from latencykit._core import multiply_chain, noop, spin_ns

__all__ = ["multiply_chain", "noop", "spin_ns"]
