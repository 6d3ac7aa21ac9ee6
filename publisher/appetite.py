"""How much is read and on its way at a time: the relay's memory stays flat, whatever the size of the events."""

FIRST_ROWS = 16
MOST_ROWS = 500
READ_BYTES = 4_000_000
# Beside it: so much may wait for the broker's word.
IN_FLIGHT_BYTES = 16_000_000


class Appetite:
    """`rows` are what is read next: nobody knows their size before, but that of the last ones."""

    def __init__(self) -> None:
        self.rows = FIRST_ROWS

    def had(self, count: int, size: int) -> None:
        """So many rows were read, of so many bytes together."""
        fitting = READ_BYTES * count // size if size else MOST_ROWS
        self.rows = max(1, min(MOST_ROWS, max(FIRST_ROWS, 2 * count), fitting))
