"""Dead letters that lie in a real broker."""

import pytest

from consumers.bindings import topology_of
from consumers.discovery import discover
from publisher.wire.connection import Connection
from tests.consumers.dead_letters.moments import MINUTES_AGO


@pytest.fixture
def declared(bridge, queues):
    """The queues of all handlers of tests.bar, empty."""
    with Connection(bridge["BROKER_URL"], "test") as connection:
        connection.declare(topology_of(discover()))
    return queues


@pytest.fixture
def bury(declared):
    def bury(handler, id, *, reason="failed", exception="builtins.ValueError", minutes=1, key="a.key", **more):
        headers = {
            "x-reason": reason, "x-exception": exception, "x-text": more.get("text", f"text of {id}"),
            "x-attempts": 5, "x-host": "web1",
            "x-last-failed-at": MINUTES_AGO[minutes], "x-first-failed-at": MINUTES_AGO[100], "x-routing-key": key,
            "own": "header",
        }  # fmt: skip
        body = more.get("body", b'{"id": "%s"}' % id.encode())
        declared.publish_to(f"{handler}.dead", body, message_id=id, headers=headers)

    return bury
