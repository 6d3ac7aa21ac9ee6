"""Moments that a database fills in are in UTC, in all tables of the bridge."""

import pytest

ELSEWHERE = """
from datetime import timedelta
from django.db import connection
from django.utils.timezone import now
from consumers.models import Attempt, InboxEvent
from consumers.querysets import attempts, inbox
from publisher.relay.leases import Leases
from publisher.models import ParkedEvent, RelayLease, UnroutableKey
from publisher.outbox.unroutable import unroutable_keys
from publisher.wire.event import Event

with connection.cursor() as cursor:
    if connection.vendor == "mysql":
        cursor.execute("SET time_zone = '+05:00'")
    Leases("default", 1).renew()
    event = Event(specversion="1.0", id="1", source="/blog", type="t")
    inbox("default").admit("shop.handler", event)
    for _ in range(2):
        attempts("default").begin("shop.handler", event)
        unroutable_keys("default").add({"a.key": 1})
    ParkedEvent.objects.create(id=1, slot=1, keep_unroutable=False, body=b"{}")
moments = {
    "lease": RelayLease.objects.get().expires_at, "parked": ParkedEvent.objects.get().parked_at,
    "unroutable": UnroutableKey.objects.get().last_at, "inbox": InboxEvent.objects.get().handled_at,
    "attempt": Attempt.objects.get().last_at,
}
print([name for name, moment in moments.items() if abs(moment - now()) > timedelta(minutes=1)])
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_moments_are_in_utc_whatever_zone_the_databases_session_has(stage):
    assert stage.python(ELSEWHERE).strip() == "[]"
