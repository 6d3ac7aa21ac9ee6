"""Dead letters for the admin. Each function opens a connection to the broker, and closes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from urllib.parse import parse_qs, urlencode

from consumers.dead_letters.letter import DeadLetter, routing_key_of
from consumers.dead_letters.letters import Letters, Wanted, why_they_stay
from consumers.dead_letters.owners import owners_of
from publisher import conf
from publisher.wire.connection import Connection
from publisher.wire.sender import Outcome
from publisher.wire.topology import dead_queue

# How many letters of a queue a page shows, and reads from the broker.
MOST_LETTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """Names a letter in forms and in URLs: by its handler, or its queue, and its id."""

    handler: str
    id: str

    def __str__(self) -> str:
        return urlencode({"handler": self.handler, "id": self.id})


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How many letters each handler has, and the first of the chosen handlers' letters."""

    counts: dict[str, int]
    letters: list[tuple[Name, DeadLetter]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One letter, with its message."""

    letter: DeadLetter
    routing_key: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """`confirmed` is how many letters were sent. `stay` says why the others were not; empty if all were."""

    confirmed: int
    stay: str


def name_from(text: str) -> Name:
    """The reverse of `str(name)`. For any other text, a Name that no letter has."""
    given = parse_qs(text)
    return Name(handler=given.get("handler", [""])[0], id=given.get("id", [""])[0])


def overview(handler: str = "") -> Overview:
    """The letters of `handler`, a handler's or a queue's name, or of all; with counts for all handlers in the code.

    Raises UnknownHandler, HandlersNotImportable, BrokerUnavailable and BrokerRefused, as do `opened`, `replay` and
    `discard`.
    """
    with _connected() as connection:
        owners = owners_of([], connection)
        chosen = owners_of([handler], connection) if handler else owners
        counts = {owner.name: connection.count_messages(dead_queue(owner.queue)) or 0 for owner in {*owners, *chosen}}
        found = Letters(connection, chosen, Wanted(), most=MOST_LETTERS)
        letters = [(Name(handler=letter.handler, id=letter.id), letter) for letter, _ in islice(found, MOST_LETTERS)]
    return Overview(counts=dict(sorted(counts.items())), letters=letters)


def opened(name: Name) -> Opened | None:
    """The letter of this name; None if it is not there any more."""
    with _connected() as connection:
        for letter, delivery in _letters(connection, name.handler, [name.id]):
            return Opened(letter=letter, routing_key=routing_key_of(delivery), body=delivery.body)
    return None


def replay(names: Iterable[Name]) -> Replayed:
    """Send these letters to their handlers again, as new."""
    outcomes: list[tuple[DeadLetter, Outcome]] = []
    with _connected() as connection:
        for handler, ids in _by_handler(names).items():
            outcomes += _letters(connection, handler, ids).replay()
    stay = [letter for letter, outcome in outcomes if outcome is not Outcome.CONFIRMED]
    return Replayed(confirmed=len(outcomes) - len(stay), stay=why_they_stay(stay) if stay else "")


def discard(names: Iterable[Name]) -> int:
    """Delete these letters for good. Returns how many there were."""
    count = 0
    with _connected() as connection:
        for handler, ids in _by_handler(names).items():
            count += sum(1 for _ in _letters(connection, handler, ids).discard())
    return count


def _connected() -> Connection:
    return Connection(conf.broker_url(), "admin")


def _letters(connection: Connection, handler: str, ids: Iterable[str]) -> Letters:
    return Letters(connection, owners_of([handler], connection), Wanted(ids=frozenset(ids)))


def _by_handler(names: Iterable[Name]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.handler, []).append(name.id)
    return found
