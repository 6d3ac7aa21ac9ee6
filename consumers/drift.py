"""What the code asks of the broker against what is there."""

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.error import URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

from publisher import conf
from publisher.wire.connection import MISSING, PRESENT, Connection
from publisher.wire.topology import Binding, Topology

UNKNOWN = "unknown"
API_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One row of `manage.py topology`. `state` is present, missing, unknown, or how it differs."""

    kind: str
    name: str
    detail: str
    state: str


def differs(row: Compared) -> bool:
    return row.state not in (PRESENT, MISSING, UNKNOWN)


def compared(topology: Topology, connection: Connection) -> list[Compared]:
    return [*_exchanges(topology, connection), *_queues(topology, connection), *_bindings(topology)]


def _exchanges(topology: Topology, connection: Connection) -> Iterator[Compared]:
    for exchange in topology.exchanges:
        state = connection.state_of_exchange(exchange)
        yield Compared(kind="exchange", name=exchange.name, detail=exchange.kind, state=state)


def _queues(topology: Topology, connection: Connection) -> Iterator[Compared]:
    for queue in topology.queues:
        count = connection.count_messages(queue.name)
        state = connection.state_of_queue(queue)
        detail = "" if count is None else f"{count} messages"
        yield Compared(kind="queue", name=queue.name, detail=detail, state=state)


def _bindings(topology: Topology) -> Iterator[Compared]:
    found = bindings_on_broker()
    for binding in topology.bindings:
        state = UNKNOWN if found is None else PRESENT if binding in found else MISSING
        yield Compared(kind="binding", name=binding.queue, detail=f"{binding.exchange} {binding.key}", state=state)


def bindings_on_broker() -> set[Binding] | None:
    """All bindings of the vhost, from the console's API; None when there is no answer from it."""
    if not conf.management_url():
        return None
    try:
        with urlopen(_api_request(), timeout=API_SECONDS) as answer:
            rows = json.load(answer)
    except (URLError, ValueError, OSError):
        return None
    return {Binding(exchange=row["source"], queue=row["destination"], key=row["routing_key"]) for row in rows}


def _api_request() -> Request:
    broker = urlsplit(conf.broker_url())
    vhost = quote(unquote(broker.path.removeprefix("/")) or "/", safe="")
    user = f"{unquote(broker.username or 'guest')}:{unquote(broker.password or 'guest')}"
    token = b64encode(user.encode()).decode()
    url = f"{conf.management_url().rstrip('/')}/api/bindings/{vhost}"
    return Request(url, headers={"Authorization": f"Basic {token}"})
