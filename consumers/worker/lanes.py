"""Order within a key: of each lane one event is on its way, the others wait behind it."""

from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Lanes(Generic[Item]):
    """Not thread-safe: one thread dispatches."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Item]] = {}

    def enter(self, key: str, item: Item) -> bool:
        """Whether the item may go now; else it comes out of `leave` in its turn."""
        if key in self._waiting:
            self._waiting[key].append(item)
            return False
        self._waiting[key] = deque()
        return True

    def leave(self, key: str) -> Item | None:
        """The one that went last is done: the next of its lane."""
        behind = self._waiting.get(key)
        if behind:
            return behind.popleft()
        self._waiting.pop(key, None)
        return None

    def clear(self) -> list[Item]:
        """All that wait."""
        waiting = [item for lane in self._waiting.values() for item in lane]
        self._waiting.clear()
        return waiting
