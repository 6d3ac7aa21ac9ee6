"""Counts what a broker confirmed, one by one or many with one frame, in whatever order."""


class Acks:
    """For delivery tags 1 to `most`."""

    def __init__(self, most: int) -> None:
        self.count = 0
        self._seen = bytearray(most + 1)
        self._below = 1

    def add(self, tag: int, multiple: bool) -> None:
        """`multiple` confirms all up to the tag that were not confirmed before."""
        if multiple:
            self.count += self._seen.count(0, self._below, tag + 1)
            self._seen[self._below : tag + 1] = b"\1" * (tag + 1 - self._below)
            self._below = max(self._below, tag + 1)
        elif not self._seen[tag]:
            self._seen[tag] = 1
            self.count += 1
