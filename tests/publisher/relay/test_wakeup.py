"""How soon the relay hears of an event."""

import json
import statistics
import time
from datetime import datetime

import pytest

from tests.stage import eventually

SLOWLY = """
import time
from tests.foo.models import Article
for n in range(6):
    time.sleep(1.2)
    Article.objects.create(title=str(n))
"""


@pytest.mark.parametrize("engine", ["postgres"])
def test_relay_wakes_at_once_when_postgresql_notifies(stage, queues):
    """An idle relay that only looked would find the event after a quarter of a second on average."""
    queues.bind("q", "#")
    relay = stage.start("relay")
    eventually(lambda: "lease held" in relay.log.read_text())
    arrivals = []
    queues.channel.basic_consume(
        queues.name("q"), lambda channel, method, properties, body: arrivals.append((body, time.time()))
    )
    writer = stage.start("-c", f"import django; django.setup()\n{SLOWLY}")
    eventually(lambda: queues.connection.process_data_events(0.05) or len(arrivals) == 6)
    assert writer.wait(10) == 0
    lags = [arrived - sent(body) for body, arrived in arrivals]
    assert statistics.median(lags) < 0.1, lags
    queues.delete("q")


MISSED = """
from threading import Thread
from django.db import connection
from publisher.relay.wakeup import wakeup
from publisher.wire.loop import Loop
from tests.foo.models import Article

def save():
    Article.objects.create(title="one")
    connection.close()

news = wakeup("default", Loop())
saving = Thread(target=save)
with connection.cursor() as cursor:
    for _ in range(2):
        print(news.missed())
    saving.start()
    saving.join()
    cursor.execute("SELECT pg_sleep(0.1)")
print(news.missed(), news.missed(), len(connection.connection._notifies_backlog))
news.close()
with connection.cursor() as cursor:
    cursor.execute("UNLISTEN *")
"""


@pytest.mark.parametrize("engine", ["postgres"])
def test_notification_that_came_with_the_answer_to_a_query_is_not_missed(stage):
    """That query may have looked just before; nor is it kept for ever."""
    assert stage.python(MISSED).split() == ["False", "False", "True", "False", "0"]


def sent(body):
    return datetime.fromisoformat(json.loads(body)["time"]).timestamp()
