"""Retires the queue of a handler that is gone: unbinds it, moves what is in it to another handler, deletes it."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from consumers.bindings import keys_of, queue_of, topology_of
from consumers.dead_letters.letter import as_new, letter_of, routing_key_of
from consumers.exceptions import NotRetirable
from consumers.handler import Handler
from consumers.headers import LAST_FAILED_AT, REASON, ROUTING_KEY
from publisher import conf
from publisher.wire.connection import Connection
from publisher.wire.frames import Message
from publisher.wire.intake import Delivery, republished
from publisher.wire.printable import printable
from publisher.wire.routing import QUEUE_MARK, matches
from publisher.wire.sender import Outcome
from publisher.wire.shelf import Shelf
from publisher.wire.topology import Binding, dead_exchange, dead_queue, return_exchange

NOT_THERE = "There is no queue {}. `manage.py topology` shows what is left over."


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """How many messages of `queue` were moved to the queue `into`, and how many stay."""

    queue: str
    into: str
    moved: int
    stay: int


def check_retirable(queue: str, handlers: Sequence[Handler], connection: Connection) -> None:
    """Raises NotRetirable if the queue is not of this service, is in use, is not there, or is for dead letters."""
    _check_is_left(queue, asked_by(handlers))
    consumers = connection.count_consumers(queue)
    has_dead_queue = connection.count_messages(dead_queue(queue)) is not None
    whose = queue.removesuffix(dead_queue(""))
    if whose != queue and not has_dead_queue:
        raise NotRetirable(f"{queue} holds the dead letters of {whose}: retire {whose}, and they are moved as well.")
    if consumers is None and not has_dead_queue:
        raise NotRetirable(NOT_THERE.format(queue))
    _check_is_idle(queue, consumers)


def deletable(queues: Sequence[str], handlers: Sequence[Handler], connection: Connection) -> list[str]:
    """The names of these queues, and of the queues of their dead letters, as far as they exist.

    Raises NotRetirable if one of them is not of this service, is in use, or is not empty.
    """
    asked = asked_by(handlers)
    found: list[str] = []
    for queue in queues:
        _check_is_left(queue, asked)
        whose = queue.removesuffix(dead_queue(""))
        if whose not in asked.union(queues) and connection.count_messages(whose) is not None:
            raise NotRetirable(f"{queue} holds the dead letters of {whose}: delete {whose}, and it is deleted as well.")
        there = [each for each in (queue, dead_queue(queue)) if connection.count_messages(each) is not None]
        if not there:
            raise NotRetirable(NOT_THERE.format(queue))
        for each in there:
            _check_is_idle(each, connection.count_consumers(each))
            if count := connection.count_messages(each):
                raise NotRetirable(
                    f"{each} is not empty, it has {count} in it: `manage.py topology --retire {whose} --into HANDLER` "
                    "moves them; what nobody needs can be purged in the console."
                )
        found += there
    return list(dict.fromkeys(found))


def asked_by(handlers: Sequence[Handler]) -> set[str]:
    return {queue.name for queue in topology_of(handlers).queues}


def _check_is_left(queue: str, asked: Collection[str]) -> None:
    if not queue.startswith(f"{conf.service()}."):
        raise NotRetirable(f"{queue} is no queue of the service {conf.service()!r}.")
    if queue in asked:
        raise NotRetirable(f"{queue} belongs to a handler in the code: rename or delete the handler first.")


def _check_is_idle(queue: str, consumers: int | None) -> None:
    if consumers:
        raise NotRetirable(
            f"{queue} still has consumers ({consumers}): stop the old code first, which would bind it again."
        )


def check_takes_over(handler: Handler) -> None:
    """Raises NotRetirable if this handler cannot take over the events of another."""
    if handler.ask:
        raise NotRetirable(f"{handler.name} has ask=True: it gets questions, and no events.")
    if handler.ordered:
        raise NotRetirable(
            f"{handler.name} is ordered, and older events would come to it after newer ones: "
            "let the old code empty its queue."
        )


def check_is_bound(handler: Handler, found: Collection[Binding]) -> None:
    """Raises NotRetirable if the handler's queue is not bound yet: new events would come to no queue at all."""
    wanted = [each for each in topology_of([handler]).bindings if each.queue == queue_of(handler)]
    missing = [each for each in wanted if each not in found]
    if missing:
        keys = ", ".join(each.key for each in missing)
        raise NotRetirable(
            f"{handler.name} would not get new events: its queue is not bound to {printable(keys)}. "
            "`manage.py topology --declare` binds it: do that first."
        )


def cut_off(queue: str, found: Collection[Binding], connection: Connection) -> list[Binding]:
    """Remove the bindings that bring new events to the queue, and return them.

    The binding by which events come back from retry queues stays, as does that of the default exchange.
    """
    stays = ("", return_exchange(conf.exchange()))
    bindings = [each for each in found if each.queue == queue and each.exchange not in stays]
    connection.unbind(bindings)
    return bindings


def hand_over(queue: str, handler: Handler, connection: Connection) -> Iterator[HandedOver]:
    """Move the queue's events, and its dead letters, to the handler. Yields a HandedOver for each of the two queues.

    A message is removed after the broker has confirmed its copy. It stays if the handler is not bound to its key.
    """
    into, dead = queue_of(handler), dead_queue(queue)
    back, graves = return_exchange(conf.exchange()), dead_exchange(conf.exchange())

    def event(delivery: Delivery) -> Message | None:
        return as_new(delivery, back, into) if is_for(handler, queue, delivery) else None

    def letter(delivery: Delivery) -> Message | None:
        if not is_for(handler, queue, delivery):
            return None
        # If the broker made the dead letter, its reason is in the header x-death, which copies do not have.
        known = letter_of(handler.name, delivery)
        noted = {
            REASON: known.reason,
            LAST_FAILED_AT: known.last_failed_at or None,
            ROUTING_KEY: routing_key_of(delivery),
        }
        return republished(delivery, graves, dead_queue(into), noted)

    for source, target, copy_of in ((queue, into, event), (dead, dead_queue(into), letter)):
        if connection.count_messages(source) is not None:
            yield _handed_over(Shelf(connection, source), target, copy_of)


def is_for(handler: Handler, queue: str, delivery: Delivery) -> bool:
    """Whether the handler is bound to the key of this delivery. If the key is the queue's own name, the event was
    for an offloaded receiver, and only another one can take it over.
    """
    key = routing_key_of(delivery)
    keys = keys_of(handler)
    if key == queue:
        return all(pattern.startswith(QUEUE_MARK) for pattern in keys)
    return any(matches(pattern, key) for pattern in keys)


def _handed_over(shelf: Shelf, into: str, copy_of: Callable[[Delivery], Message | None]) -> HandedOver:
    seen = 0

    def copies() -> Iterator[tuple[None, Delivery, Message]]:
        nonlocal seen
        for delivery in shelf:
            seen += 1
            if copy := copy_of(delivery):
                yield None, delivery, copy

    moved = sum(outcome is Outcome.CONFIRMED for _, outcome in shelf.move(copies()))
    return HandedOver(queue=shelf.queue, into=into, moved=moved, stay=seen - moved)
