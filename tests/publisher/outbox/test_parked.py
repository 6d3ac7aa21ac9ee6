"""Events are parked and put back under their ids, and wait for nobody meanwhile."""

import pytest

# A writer's row is not committed yet. Whoever would wait for it fails at once.
BESIDE_A_WRITER = """
from django.db import connection, connections, transaction
from publisher.models import OutboxEvent, ParkedEvent
from publisher.outbox.parked import parked
from publisher.outbox.waiting import outbox

def insert(*ids, using="default"):
    OutboxEvent.objects.using(using).bulk_create(
        OutboxEvent(
            id=id, message_id="m", type="t", routing_key="k", partitionkey="p", slot=0, keep_unroutable=True, body=b""
        )
        for id in ids
    )

connections.settings["default"]["OPTIONS"]["isolation_level"] = "{isolation}"
connections.settings["writer"] = dict(connections.settings["default"])
with connection.cursor() as cursor:
    cursor.execute("SET innodb_lock_wait_timeout = 0")
insert(*{ids})
with transaction.atomic("writer"):
    insert({writer}, using="writer")
    parked("default").park({ids}, "unroutable", "")
    parked("default").kept().put_back()
    outbox("default").delete_by_id({ids})
print([*OutboxEvent.objects.values_list("id", flat=True)], ParkedEvent.objects.count())
"""
# Consecutive ids, few runs of them, and more than are told as runs.
RUN, RUNS, MANY = list(range(10, 70)), [*range(10, 40), *range(41, 70)], list(range(10, 90, 2))


@pytest.mark.parametrize("engine", ["mariadb"])
@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
@pytest.mark.parametrize(
    ("ids", "writer"),
    [(RUN, 9), (RUN, 70), (RUNS, 40), (RUNS, 70), (MANY, 9), (MANY, 41), (MANY, 89)],
    ids=["run, before", "run, after", "runs, between", "runs, after", "many, before", "many, between", "many, after"],
)
def test_nothing_waits_for_a_writer_whose_row_is_beside_those_that_are_deleted(stage, ids, writer, isolation):
    code = BESIDE_A_WRITER.format(ids=ids, writer=writer, isolation=isolation)
    assert stage.python(code).strip() == f"[{writer}] 0"


# As after TRUNCATE ... RESTART IDENTITY, twice.
IDS_AGAIN = """
from publisher.models import OutboxEvent, ParkedEvent
from publisher.outbox.parked import parked

def insert(since, *ids):
    OutboxEvent.objects.bulk_create(
        OutboxEvent(id=id, message_id=f"{since}{id}", type="t", routing_key="k", partitionkey="p", slot=0, body=b"")
        for id in ids
    )

def show(model):
    print(*model.objects.order_by("id").values_list("message_id", flat=True))

for since in "ab":
    insert(since, 1, 2, 3)
    parked("default").park([3, 1], "unroutable", "")
    parked("default").park([2], "unroutable", "")
show(ParkedEvent)
insert("c", 2, 4)
parked("default").filter(message_id="b2").put_back()
show(OutboxEvent)
parked("default").put_back()
show(OutboxEvent)
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_parked_events_go_before_the_line_when_its_ids_begin_anew(stage):
    assert stage.python(IDS_AGAIN).splitlines() == ["a1 a2 a3 b1 b2 b3", "b2 c2 c4", "a1 a2 a3 b1 b2 b3 c2 c4"]


KEYS = """
from publisher.models import OutboxEvent
from publisher.outbox.parked import parked

for id, key in enumerate(["a.key", "B", "b", "b", "ü ", "ü"], start=1):
    OutboxEvent.objects.create(id=id, message_id="m", type="t", routing_key=key, partitionkey="p", slot=0, body=b"")
rows = parked("default")
rows.park([1, 2, 3, 4, 5, 6], "unroutable", "")
print(sorted(rows.first_of_each_key().items()))
print(rows.count_by_key()["b"], rows.under("b").count(), rows.under("ü").count())
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_keys_are_told_apart_exactly_whatever_the_collation(stage):
    firsts = [("B", 2), ("a.key", 1), ("b", 3), ("ü", 6), ("ü ", 5)]
    assert stage.python(KEYS).splitlines() == [str(firsts), "2 2 1"]
