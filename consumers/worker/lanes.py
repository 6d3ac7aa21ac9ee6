"""Keeps events with the same key in order: one of them is handled at a time, and the others wait in its lane."""

from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Lanes(Generic[Item]):
    """Not thread-safe."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Item]] = {}

    def enter(self, key: str, item: Item) -> bool:
        """Returns whether the item may go now. If not, it waits, and `leave` returns it when its turn comes."""
        if key in self._waiting:
            self._waiting[key].append(item)
            return False
        self._waiting[key] = deque()
        return True

    def leave(self, key: str) -> Item | None:
        """The item that went last is done. Returns the next in the lane, which may go now; None if none waits."""
        behind = self._waiting.get(key)
        if behind:
            return behind.popleft()
        self._waiting.pop(key, None)
        return None

    def clear(self) -> list[Item]:
        """Empty all lanes, and return the items that waited."""
        waiting = [item for lane in self._waiting.values() for item in lane]
        self._waiting.clear()
        return waiting
