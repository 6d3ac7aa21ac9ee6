"""Finds the queue that a name on the command line, or in the admin, stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumers.bindings import queue_of
from consumers.discovery import discover
from consumers.exceptions import UnknownHandler
from consumers.handler import Handler
from publisher import conf
from publisher.hints import close_to, near
from publisher.wire.connection import Connection
from publisher.wire.topology import NAME_BYTES, dead_queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A handler's name and its queue. `handler` is None if it is not in this project's code, as one of a script,
    or one that was renamed.
    """

    name: str
    queue: str
    handler: Handler | None = None


def owners_of(names: Sequence[str], connection: Connection) -> tuple[Owner, ...]:
    """The owners with these names, which may be names of handlers or of queues; without names, all in the code.

    Raises UnknownHandler, HandlersNotImportable.
    """
    known = [Owner(name=handler.name, queue=queue_of(handler), handler=handler) for handler in discover()]
    if not names:
        return tuple(known)
    by_name = {**{each.queue: each for each in known}, **{each.name: each for each in known}}
    owners = [by_name.get(name) or _stranger(name, by_name, connection) for name in names]
    # One owner may be named twice: by its handler and by its queue.
    return tuple({owner.queue: owner for owner in owners}.values())


def _stranger(name: str, known: Mapping[str, Owner], connection: Connection) -> Owner:
    """The owner of a queue on the broker, whose handler is not in the code. Raises UnknownHandler."""
    queues = [queue for queue in (f"{conf.service()}.{name}", name) if len(dead_queue(queue).encode()) <= NAME_BYTES]
    for queue in queues:
        if connection.count_messages(dead_queue(queue)) is not None:
            return Owner(name=name, queue=queue)
    # A name with a dot is probably that of another service's queue, so no handler here was meant.
    names = [owner.name for owner in known.values()]
    if "." not in name and close_to(name, names):
        raise UnknownHandler(f"There is no handler {name!r} in the code. {near(name, names)}")
    raise UnknownHandler(
        f"There is no handler {name!r} in the code, and none whose queue is {' or '.join(queues)}. Handlers of a "
        "script with a SERVICE of its own are named by their queue, SERVICE.NAME; `manage.py consume --list` lists the "
        "handlers in the code."
    )
