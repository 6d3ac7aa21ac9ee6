"""The events that threads of this process are at: a copy of one waits for its end, and in no thread."""

from threading import Lock


class AtWork:
    """Those of one subscription, by what its inbox knows them by."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._entering = Lock()
        # One step, which nothing that a thread is ended with can come into the middle of.
        self.leave = self._keys.difference_update

    def has(self, key: str) -> bool:
        return key in self._keys

    def enter(self, key: str) -> bool:
        """False where another thread is at it."""
        with self._entering:
            if key in self._keys:
                return False
            self._keys.add(key)
            return True
