"""Compares the queues and bindings that the code needs with those on the broker."""

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

from consumers.exceptions import BindingsUnknown
from publisher import conf
from publisher.wire.connection import MISSING, PRESENT, Connection
from publisher.wire.hosts import each_host
from publisher.wire.printable import printable
from publisher.wire.topology import Binding, Topology, dead_queue

UNKNOWN = "unknown"
LEFT_OVER = "left over"
FILLS = ", bound, and nobody takes them"
API_SECONDS = 5
TAG = "give the broker's user the tag 'management'"
# RabbitMQ's error text begins with this word if the user lacks a permission.
REFUSED = "ACCESS_REFUSED"
UNAUTHORIZED, FORBIDDEN = 401, 403


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One row of `manage.py topology`. `state` is present, missing, unknown, left over, or how it differs."""

    kind: str
    name: str
    detail: str
    state: str


def differs(row: Compared) -> bool:
    return not is_refused(row) and row.state not in (PRESENT, MISSING, UNKNOWN, LEFT_OVER)


def is_refused(row: Compared) -> bool:
    """Whether the broker does not let this user look at the exchange or queue, so it could not be compared."""
    return row.state.startswith(REFUSED)


def compared(topology: Topology, connection: Connection, found: set[Binding] | None) -> list[Compared]:
    """A row for each exchange, queue and binding. `found` are the bindings on the broker; None if they are unknown."""
    return [
        *_exchanges(topology, connection),
        *_queues(topology, connection),
        *_bindings(topology, found),
        *_left_over(topology, found or set(), connection),
    ]


def _exchanges(topology: Topology, connection: Connection) -> Iterator[Compared]:
    for exchange in topology.exchanges:
        state = connection.state_of_exchange(exchange)
        yield Compared(kind="exchange", name=exchange.name, detail=exchange.kind, state=state)


def _queues(topology: Topology, connection: Connection) -> Iterator[Compared]:
    for queue in topology.queues:
        state = connection.state_of_queue(queue)
        yield Compared(kind="queue", name=queue.name, detail=_counted(queue.name, connection), state=state)


def _counted(queue: str, connection: Connection) -> str:
    count = connection.count_messages(queue)
    return "" if count is None else f"{count} message{'' if count == 1 else 's'}"


def _bindings(topology: Topology, found: set[Binding] | None) -> Iterator[Compared]:
    for binding in topology.bindings:
        state = UNKNOWN if found is None else PRESENT if binding in found else MISSING
        yield Compared(kind="binding", name=binding.queue, detail=_source(binding), state=state)


def _left_over(topology: Topology, found: set[Binding], connection: Connection) -> Iterator[Compared]:
    """Queues and bindings of this service that the code no longer needs: a handler was renamed, or a key removed."""
    asked = {queue.name for queue in topology.queues}
    ours = [binding for binding in found.difference(topology.bindings) if _is_ours(binding)]
    bound = {binding.queue for binding in ours}
    for queue in sorted((bound | set(map(dead_queue, bound - asked))) - asked):
        if detail := _counted(queue, connection):
            # A queue of dead letters has no consumers, as its letters wait for a person: that is nothing to report.
            is_filling = queue in bound and not queue.endswith(dead_queue("")) and not connection.count_consumers(queue)
            detail += FILLS if is_filling else ""
            yield Compared(kind="queue", name=queue, detail=f"{detail}{_unless(queue)}", state=LEFT_OVER)
    for binding in sorted(ours, key=lambda binding: (binding.queue, binding.exchange, binding.key)):
        if binding.queue in asked:
            yield Compared(kind="binding", name=binding.queue, detail=_source(binding), state=LEFT_OVER)


def _source(binding: Binding) -> str:
    return f"{binding.exchange} {binding.key}".rstrip()


def _unless(queue: str) -> str:
    """A caveat for names with a dot: `blog.mail.send` may be a queue of the service `blog`, or of `blog.mail`."""
    first, dot, _ = queue.removeprefix(f"{conf.service()}.").removesuffix(dead_queue("")).partition(".")
    return f"; unless there is a service {conf.service()}.{first}" if dot else ""


def _is_ours(binding: Binding) -> bool:
    """Whether it binds a queue of this service to an exchange of the bridge. All services share the retry queues."""
    exchange = conf.exchange()
    is_of_the_bridge = binding.exchange == exchange or binding.exchange.startswith(f"{exchange}.")
    return is_of_the_bridge and binding.queue.startswith(f"{conf.service()}.") and binding.queue != binding.exchange


def bindings_on_broker() -> set[Binding]:
    """All bindings of queues in the vhost, from the API of RabbitMQ's console. Raises BindingsUnknown."""
    if not conf.management_url():
        raise BindingsUnknown(f"set MANAGEMENT_URL, and {TAG}")
    request = _api_request()
    try:
        with urlopen(request, timeout=API_SECONDS) as answer:
            return _bindings_in(json.load(answer))
    except (OSError, HTTPException, ValueError) as exc:
        # Only what follows the @: before it there may be a user and a password.
        raise BindingsUnknown(f"MANAGEMENT_URL at {request.host.rpartition('@')[2]}: {_said(exc)}") from exc


def _bindings_in(rows: Any) -> set[Binding]:
    """The bindings of queues in the API's answer, without those of exchanges. Raises ValueError for another answer."""
    try:
        return {
            Binding(exchange=row["source"], queue=row["destination"], key=row["routing_key"])
            for row in rows
            if row["destination_type"] == "queue"
        }
    except (TypeError, KeyError) as exc:
        raise ValueError("its answer does not list bindings") from exc


def _said(exc: BaseException) -> str:
    if isinstance(exc, HTTPError):
        hint = f"; {TAG}" if exc.code in (UNAUTHORIZED, FORBIDDEN) else ""
        return f"it answers {exc.code} {printable(exc.reason)}{hint}"
    cause = exc.reason if isinstance(exc, URLError) else exc
    return printable(getattr(cause, "strerror", None) or cause) or type(cause).__name__


def _api_request() -> Request:
    # If the URL has several hosts, they have the same user and vhost.
    broker = urlsplit(each_host(conf.broker_url())[0])
    vhost = quote(unquote(broker.path.removeprefix("/")) or "/", safe="")
    user = f"{unquote(broker.username or 'guest')}:{unquote(broker.password or 'guest')}"
    token = b64encode(user.encode()).decode()
    url = f"{conf.management_url().rstrip('/')}/api/bindings/{vhost}"
    return Request(url, headers={"Authorization": f"Basic {token}"})
