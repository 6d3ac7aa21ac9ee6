"""What a handler leaves behind on its thread's connections is not for the next one."""

import pytest

BEGINNING = """
from threading import Event as Flag
from types import SimpleNamespace
from django.db import connections, transaction
from consumers.handling.handling import Handling
from consumers.worker.job import Job
from consumers.worker.pool import Pool
from consumers.handling.received import Received
from consumers.handler import Handler
from tests.foo.models import Draft
from tests.stage import eventually

pool = Pool(1, lambda: None)

def became(function, **more):
    handler = Handler(name=function.__name__, function=function, patterns=("#",), **more)
    handling = Handling(handler, f"s.{handler.name}", stop=Flag())
    body = b'{"specversion":"1.0","id":"e","source":"/x","type":"t"}'
    delivery = SimpleNamespace(properties=SimpleNamespace(message_id="e"), body=body)
    pool.put(Job(handling, [delivery], [Received(body=body, routing_key="a")]))

    def watched():
        pool.watch()
        return [result for _, (result,) in pool.done()]

    (result,) = eventually(watched, seconds=10)
    return getattr(result, "exception", "handled")

def writes(event):
    Draft.objects.create(text="effect")
"""
ENDING = """
pool.close(5)
print(Draft.objects.count())
"""


@pytest.mark.parametrize("leaves_open", ["transaction.set_autocommit(False)", "transaction.atomic().__enter__()"])
@pytest.mark.parametrize("options", ["inbox=False", ""], ids=["without inbox", "with inbox"])
def test_what_comes_after_a_handler_that_left_a_transaction_open_is_committed(stage, leaves_open, options):
    said = stage.python(
        f"""{BEGINNING}
def leaves(event):
    {leaves_open}
    Draft.objects.create(text="left")
    raise LookupError

print(became(leaves, inbox=False), became(writes, {options}))
{ENDING}"""
    )
    assert said.split() == ["builtins.LookupError", "handled", "1"]


def test_connection_of_a_call_that_was_ended_is_not_used_again(stage):
    """HandlerTooSlow comes at any step, as between BEGIN and what Django notes of it."""
    said = stage.python(
        f"""{BEGINNING}
import time
used = []

def hangs(event):
    used.append(connections["default"])
    connections["default"].cursor().execute("BEGIN")
    while True:
        time.sleep(0.01)

print(became(hangs, inbox=False, hard_seconds=0.1), became(writes))
used.append(connections["default"])
{ENDING}"""
    )
    assert said.split() == ["consumers.exceptions.HandlerTooSlow", "handled", "1"]


@pytest.mark.parametrize("engine", ["postgres"])
def test_connection_that_a_handler_makes_ends_with_its_call(stage):
    said = stage.python(
        f"""{BEGINNING}
import gc

def copies(event):
    connections["default"].copy().cursor().execute("SELECT 1")

def sessions():
    gc.collect()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return cursor.fetchone()[0]

for _ in range(5):
    assert became(copies, inbox=False) == "handled"
# This one, and the thread's.
eventually(lambda: sessions() <= 2, seconds=5)
{ENDING}"""
    )
    assert said.split() == ["0"]


@pytest.mark.parametrize("engine", ["postgres"])  # SQLite has one writer at a time
def test_thread_goes_on_when_the_connection_that_it_drops_cannot_be_closed(stage):
    said = stage.python(
        f"""{BEGINNING}
from django.db import OperationalError

def fail():
    raise OperationalError("planted")

def breaks(event):
    connections["default"].close = fail
    transaction.atomic().__enter__()
    Draft.objects.create(text="left")

print(became(breaks, inbox=False), became(writes))
{ENDING}"""
    )
    assert said.split() == ["handled", "handled", "1"]


POOLED = """
import threading
from types import SimpleNamespace
from threading import Event as Flag
from django.conf import settings
settings.DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 1, "timeout": 3}
from consumers.handling.handling import Handling
from consumers.worker.job import Job
from consumers.worker.pool import Pool
from consumers.handling.received import Received
from consumers.handler import Handler
from tests.bar.models import Seen
threads = set()
def handle(event):
    threads.add(threading.get_ident())
    Seen.objects.create(handler="h", text=event.id, pid=0)
handling = Handling(Handler(name="h", function=handle, patterns=("#",)), "blog.h", stop=Flag())
done = threading.Semaphore(0)
pool = Pool(2, done.release)
results = []
for n in range(4):
    body = b'{"specversion":"1.0","id":"e%d","source":"/x","type":"t"}' % n
    delivery = SimpleNamespace(properties=SimpleNamespace(message_id=str(n)), body=body)
    pool.put(Job(handling, [delivery], [Received(body=body, routing_key="a")]))
    done.acquire(timeout=10)
    results += [type(result).__name__ for _, (result,) in pool.done()]
pool.close(5)
print(len(threads), *results)
"""


@pytest.mark.parametrize("engine", ["postgres"])
def test_threads_give_a_pools_connection_back_to_each_other(stage):
    assert stage.python(POOLED).split() == ["2", *["Handled"] * 4]
