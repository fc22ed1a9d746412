"""What machine this is: detection from /proc and /sys, and the tiers it reaches. No subprocess is run."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latencykit.hardware.detection import detect

__all__ = ["detect"]


def __getattr__(name: str) -> object:
    """Import `detect` on its first use (PEP 562), so that importing the package costs nothing."""
    if name != "detect":
        raise AttributeError(f"module 'latencykit.hardware' has no attribute {name!r}")
    from latencykit.hardware.detection import detect

    globals()["detect"] = detect
    return detect
