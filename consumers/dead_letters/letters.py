"""Dead letters: what handlers gave up on, to be looked at, replayed or discarded, each by itself."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any

from consumers.bindings import queue_of
from consumers.discovery import discover
from consumers.exceptions import LettersOfSeveral, UnknownHandler
from consumers.headers import (
    ATTEMPTS_MADE,
    EXCEPTION,
    FIRST_FAILED_AT,
    HISTORY,
    HOST,
    LAST_FAILED_AT,
    REASON,
    ROUTING_KEY,
    TEXT,
    WHERE,
    noted_key,
)
from consumers.registry import Handler
from publisher import conf
from publisher.hints import close_to, near
from publisher.wire.connection import Connection
from publisher.wire.frames import Message
from publisher.wire.glance import subject_of
from publisher.wire.intake import Delivery, republished
from publisher.wire.sender import Outcome
from publisher.wire.shelf import Shelf, letter_id
from publisher.wire.topology import NAME_BYTES, dead_queue, return_exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a handler gave up on, and why. Times are as they were written, in ISO 8601.

    `subject` is what the event is about, `shop.order/42`; empty where it says nothing, or is no event.
    """

    id: str
    handler: str
    type: str
    subject: str
    reason: str
    exception: str
    text: str
    where: str
    attempts: int
    first_failed_at: str
    last_failed_at: str
    host: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters: all criteria that are given must hold. `since` is compared with the last failure.

    No `ids` at all are not those of all letters, as None is.
    """

    ids: frozenset[str] | None = None
    reason: str | None = None
    since: datetime | None = None

    def takes(self, letter: DeadLetter) -> bool:
        if self.ids is not None and letter.id not in self.ids:
            return False
        if self.reason is not None and letter.reason != self.reason:
            return False
        return self.since is None or _moment(letter.last_failed_at) >= self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose letters: a handler's, or those of a queue whose handler is not in this project's code: a script's, or one
    that was renamed since.
    """

    name: str
    queue: str
    handler: Handler | None = None


def owners_of(names: Sequence[str], connection: Connection) -> tuple[Owner, ...]:
    """Those of these names, each a handler's or its queue's; without names, all that are in the code.

    Raises UnknownHandler, HandlersNotImportable.
    """
    known = [Owner(name=handler.name, queue=queue_of(handler), handler=handler) for handler in discover()]
    if not names:
        return tuple(known)
    by_name = {**{each.queue: each for each in known}, **{each.name: each for each in known}}
    owners = [by_name.get(name) or _stranger(name, by_name, connection) for name in names]
    # One may be named twice.
    return tuple({owner.queue: owner for owner in owners}.values())


def _stranger(name: str, known: Mapping[str, Owner], connection: Connection) -> Owner:
    queues = [queue for queue in (f"{conf.service()}.{name}", name) if len(dead_queue(queue).encode()) <= NAME_BYTES]
    for queue in queues:
        if connection.count_messages(dead_queue(queue)) is not None:
            return Owner(name=name, queue=queue)
    # A dot says that a queue is meant, of others.
    names = [owner.name for owner in known.values()]
    if "." not in name and close_to(name, names):
        raise UnknownHandler(f"There is no handler {name!r} in the code. {near(name, names)}")
    raise UnknownHandler(
        f"There is no handler {name!r} in the code, and none whose queue is {' or '.join(queues)}. Those of a script "
        "with a SERVICE of its own are named by their queue, SERVICE.NAME; `manage.py consume --list` lists the "
        "handlers in the code."
    )


# A letter, and the message that it is.
Lying = tuple[DeadLetter, Delivery]
Shelved = tuple[Owner, Shelf, Iterable[Lying]]


class Letters:
    """Those of these handlers that are wanted, where they lie; what is not replayed or discarded stays there.

    `reasons` are those of all that were looked at, whether they were wanted or not. With `of_one_handler`, whatever is
    done raises LettersOfSeveral, before anything is, where an id is found with several. Of each handler, no more than
    the first `most` are looked at.
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
        """Back to their handlers' queues, as new. One is removed once the broker confirmed its copy, and not before.

        Where the outcome is not CONFIRMED, it stays.
        """
        exchange = return_exchange(conf.exchange())
        for owner, shelf, letters in self._shelves():
            queue = owner.queue
            yield from shelf.move((one, what, as_new(what, exchange, queue)) for one, what in letters)

    def discard(self) -> Iterator[DeadLetter]:
        """Removes them for good."""
        for _, shelf, letters in self._shelves():
            for letter, delivery in letters:
                shelf.remove(delivery)
                yield letter

    def _shelves(self) -> Iterator[Shelved]:
        shelves = ((owner, Shelf(self._connection, dead_queue(owner.queue), self._most)) for owner in self._owners)
        found = ((owner, shelf, self._on(shelf, owner)) for owner, shelf in shelves)
        return self._of_one(found) if self._of_one_handler else found

    def _of_one(self, shelves: Iterable[Shelved]) -> Iterator[Shelved]:
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
    """What to say of those that a replay left where they are."""
    whose = " and of ".join(sorted({letter.handler for letter in letters}))
    return (
        f"{len(letters)} stay: the broker did not take them for the queue of {whose}, or they are larger than it takes "
        "now. `manage.py topology --check` says what is missing."
    )


def as_new(delivery: Delivery, exchange: str, queue: str) -> Message:
    """A copy for this queue, through the exchange, without what was noted of its attempts."""
    return republished(delivery, exchange, queue, {**dict.fromkeys(HISTORY), ROUTING_KEY: routing_key_of(delivery)})


def routing_key_of(delivery: Delivery) -> str:
    """The key that the event was published under; the broker notes it where it made the letter itself."""
    headers = delivery.headers
    keys = _death(headers).get("routing-keys")
    first = keys[0] if isinstance(keys, list) and keys else None
    return noted_key(headers) or (first if isinstance(first, str) else delivery.routing_key)


def letter_of(handler: str, delivery: Delivery) -> DeadLetter:
    headers = delivery.headers
    return DeadLetter(
        id=letter_id(delivery.properties, delivery.body),
        handler=handler,
        type=str(delivery.properties.type or ""),
        subject=subject_of(delivery.body),
        reason=str(headers.get(REASON) or _broker_reason(headers)),
        exception=str(headers.get(EXCEPTION, "")),
        text=str(headers.get(TEXT, "")),
        where=str(headers.get(WHERE, "")),
        attempts=headers[ATTEMPTS_MADE] if isinstance(headers.get(ATTEMPTS_MADE), int) else 0,
        first_failed_at=str(headers.get(FIRST_FAILED_AT, "")),
        last_failed_at=str(headers.get(LAST_FAILED_AT) or _broker_moment(headers)),
        host=str(headers.get(HOST, "")),
        size=len(delivery.body),
    )


def _broker_reason(headers: Mapping[str, Any]) -> str:
    """Why the broker itself put it here: its delivery limit, usually."""
    return str(_death(headers).get("reason", "unknown"))


def _broker_moment(headers: Mapping[str, Any]) -> str:
    """When the broker did; empty where it says nothing."""
    time = _death(headers).get("time")
    return time.isoformat() if isinstance(time, datetime) else ""


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    deaths = headers.get("x-death")
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
