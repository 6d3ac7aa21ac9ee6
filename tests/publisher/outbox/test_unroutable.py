"""Dropped events are counted by their routing keys, in few queries and in a bounded number of rows."""

import pytest

from publisher import counters
from publisher.models import UnroutableKey
from publisher.outbox.unroutable import unroutable_keys

COUNTS = """
from datetime import timedelta
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from publisher.models import UnroutableKey
from publisher.outbox.unroutable import unroutable_keys

counts = {f"key.{n}": 1 + n % 3 for n in range(700)}
with CaptureQueriesContext(connection) as queries:
    unroutable_keys("default").add(counts)
UnroutableKey.objects.update(last_at=now() - timedelta(days=1))
unroutable_keys("default").add({**counts, "Key.0": 5, "other": 1})
rows = UnroutableKey.objects.all()
print(len(queries) < 5, {row.routing_key: row.count for row in rows} == {
    **{key: 2 * count for key, count in counts.items()}, "Key.0": 5, "other": 1,
}, all(row.last_at > now() - timedelta(minutes=1) for row in rows))
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_dropped_events_of_many_keys_are_added_to_their_counts_in_few_queries(stage):
    assert stage.python(COUNTS).strip() == "True True True"


@pytest.mark.django_db
def test_dropped_events_are_counted_together_when_there_are_too_many_keys(monkeypatch):
    monkeypatch.setattr(counters, "MOST", 2)
    for counts in ({"a": 1}, {"b": 1, "c": 2}, {"d": 3, "a": 1, "e": 1}, {"f": 1}):
        unroutable_keys("default").add(counts)
    rows = UnroutableKey.objects.values_list("routing_key", "count")
    assert dict(rows) == {"a": 2, "b": 1, counters.OTHERS: 7}


@pytest.mark.django_db
def test_there_are_no_others_while_all_keys_have_room(monkeypatch):
    monkeypatch.setattr(counters, "MOST", 3)
    unroutable_keys("default").add({"a": 1, "b": 1})
    unroutable_keys("default").add({"a": 1, "c": 1})
    assert set(UnroutableKey.objects.values_list("routing_key", flat=True)) == {"a", "b", "c"}
