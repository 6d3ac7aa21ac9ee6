"""Looks at dead letters in their queues, and replays or discards those that are wanted."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf

from consumers.dead_letters.letter import DeadLetter, as_new, letter_of
from consumers.dead_letters.owners import Owner
from consumers.exceptions import LettersOfSeveral
from publisher import conf
from publisher.wire.connection import Connection
from publisher.wire.intake import Delivery
from publisher.wire.sender import Outcome
from publisher.wire.shelf import Shelf
from publisher.wire.topology import dead_queue, return_exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Criteria for letters: all that are not None must hold. `since` is compared with the time of the last failure."""

    ids: frozenset[str] | None = None
    reason: str | None = None
    since: datetime | None = None

    def takes(self, letter: DeadLetter) -> bool:
        if self.ids is not None and letter.id not in self.ids:
            return False
        if self.reason is not None and letter.reason != self.reason:
            return False
        return self.since is None or _moment(letter.last_failed_at) >= self.since


# A letter, and its message.
Lying = tuple[DeadLetter, Delivery]
Shelved = tuple[Owner, Shelf, Iterable[Lying]]


class Letters:
    """The wanted letters of these owners. To look at them changes nothing: they stay in their queues.

    `reasons` counts the reasons of all letters that were looked at, wanted or not. `most` limits how many are looked at
    in each queue. With `of_one_handler`, LettersOfSeveral is raised, before any letter is touched, if several handlers
    have a letter with the same id.
    """

    def __init__(
        self,
        connection: Connection,
        owners: Iterable[Owner],
        wanted: Wanted,
        *,
        of_one_handler: bool = False,
        most: float = inf,
    ) -> None:
        self._connection = connection
        self._owners = owners
        self._wanted = wanted
        self._of_one_handler = of_one_handler
        self._most = most
        self.reasons: Counter[str] = Counter()

    def __iter__(self) -> Iterator[tuple[DeadLetter, Delivery]]:
        for _, _, letters in self._shelves():
            yield from letters

    def replay(self) -> Iterator[tuple[DeadLetter, Outcome]]:
        """Send the letters to their handlers' queues again, as new events. Yields each letter with its outcome.

        A letter is removed once the broker has confirmed its copy. With another outcome than CONFIRMED it stays.
        """
        exchange = return_exchange(conf.exchange())
        for owner, shelf, letters in self._shelves():
            queue = owner.queue
            yield from shelf.move((one, what, as_new(what, exchange, queue)) for one, what in letters)

    def discard(self) -> Iterator[DeadLetter]:
        """Delete the letters for good, and yield each."""
        for _, shelf, letters in self._shelves():
            for letter, delivery in letters:
                shelf.remove(delivery)
                yield letter

    def _shelves(self) -> Iterator[Shelved]:
        shelves = ((owner, Shelf(self._connection, dead_queue(owner.queue), self._most)) for owner in self._owners)
        found = ((owner, shelf, self._on(shelf, owner)) for owner, shelf in shelves)
        return self._of_one(found) if self._of_one_handler else found

    def _of_one(self, shelves: Iterable[Shelved]) -> Iterator[Shelved]:
        """The same shelves, read to the end. Raises LettersOfSeveral if several handlers have letters with one id."""
        looked_at = [(owner, shelf, list(letters)) for owner, shelf, letters in shelves]
        whose: dict[str, dict[str, None]] = {}
        for _, _, letters in looked_at:
            for letter, _ in letters:
                whose.setdefault(letter.id, {})[letter.handler] = None
        of_several = [
            f"{id} is a dead letter of {' and of '.join(names)}" for id, names in whose.items() if len(names) > 1
        ]
        if of_several:
            raise LettersOfSeveral(f"{'; '.join(of_several)}. {LettersOfSeveral.__doc__}")
        return iter(looked_at)

    def _on(self, shelf: Shelf, owner: Owner) -> Iterator[Lying]:
        for delivery in shelf:
            letter = letter_of(owner.name, delivery)
            self.reasons[letter.reason] += 1
            if self._wanted.takes(letter):
                yield letter, delivery


def why_they_stay(letters: Collection[DeadLetter]) -> str:
    """What to tell a person about the letters that could not be replayed."""
    whose = " and of ".join(sorted({letter.handler for letter in letters}))
    return (
        f"{len(letters)} stay: the broker did not take them for the queue of {whose}, or they are larger than it "
        "accepts now. `manage.py topology --check` says what is missing."
    )


def _moment(text: str) -> datetime:
    """The time of a text in ISO 8601. An unreadable one counts as the latest, so `since` never hides its letter."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
