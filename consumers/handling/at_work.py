"""Which events threads of this process are handling now, so that a second copy of one is put off."""

from threading import Lock


class AtWork:
    """The events of one subscription, by their keys in the inbox."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._entering = Lock()
        # A function in C, for an iterable of keys: HandlerTooSlow, which is raised between two steps in Python, cannot
        # interrupt it.
        self.leave = self._keys.difference_update

    def has(self, key: str) -> bool:
        return key in self._keys

    def enter(self, key: str) -> bool:
        """Note that this thread handles the event. Returns False if another thread is handling it."""
        with self._entering:
            if key in self._keys:
                return False
            self._keys.add(key)
            return True
