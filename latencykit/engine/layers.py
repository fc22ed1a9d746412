"""A setting that several owners change in turn, and may undo in any order."""

from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")


@dataclass(slots=True)
class _Layer(Generic[S]):
    owner: object
    before: S
    value: S


class Layers(Generic[S]):
    """Who has changed one setting, the latest last, and what each found there.

    Only the latest owner's value is in force. When an owner below it gives up, nothing changes but what the one
    above will go back to; so the last to give up finds what was there before the first, whatever the order.
    """

    def __init__(self) -> None:
        self._layers: list[_Layer[S]] = []

    def __bool__(self) -> bool:
        return bool(self._layers)

    @property
    def bottom(self) -> S:
        """What was there before the first owner came; there is one."""
        return self._layers[0].before

    def put(self, owner: object, before: S, value: S) -> None:
        """Note that an owner changed the setting; it comes to stand above all others.

        Args:
            owner: Who; one that is here already moves up, and keeps what it found if it is the latest.
            before: What the setting was just before.
            value: What it is now.
        """
        if self._layers and self._layers[-1].owner is owner:
            self._layers[-1].value = value
            return
        self.drop(owner)
        self._layers.append(_Layer(owner, before, value))

    def drop(self, owner: object) -> S | None:
        """Forget an owner.

        Returns:
            What the setting must go back to; None if another owner's value is in force, or this one has none.
        """
        index = next((i for i, layer in enumerate(self._layers) if layer.owner is owner), None)
        if index is None:
            return None
        layer = self._layers.pop(index)
        if index == len(self._layers):
            return layer.before
        above = self._layers[index]
        if above.before == layer.value:  # else somebody unknown to us changed it in between
            above.before = layer.before
        return None
