"""HANDLER_CONTEXT: what a project puts around its handlers."""

from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from threading import Event as Flag

import pytest
from django.db import OperationalError, connection, transaction

from consumers import Backoff, registry, subscribe
from consumers.checks.handlers import check_handlers
from consumers.dead_letters.rehearsal import rehearse
from consumers.exceptions import FailureSwallowed
from consumers.handler import Handler, triggers_of
from consumers.handling.handling import Handling
from consumers.handling.places import place_of
from consumers.handling.received import Received
from consumers.handling.results import Handled
from consumers.models import InboxEvent
from consumers.testing import deliver, deliver_batch
from consumers.worker.asked import Asked
from publisher.wire.event import Event, encode_event
from tests.bar.models import Seen
from tests.consumers.handling.test_handling import foreign
from tests.foo.signals import user_login

tenant = ContextVar("tenant", default="nobody's")
entered, left, outages = [], [], []


@contextmanager
def restored(event):
    entered.append(event.id)
    if outages:
        raise outages.pop()
    token = tenant.set(event.extensions["tenant"])
    try:
        yield
    finally:
        tenant.reset(token)
        left.append((event.id, connection.in_atomic_block))


def event(id="e1"):
    return Event(specversion="1.0", id=id, source="/x", type="t", extensions={"tenant": f"{id}'s"})


@pytest.fixture(autouse=True)
def _around(settings, monkeypatch):
    monkeypatch.setattr(registry, "_handlers", {})
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "HANDLER_CONTEXT": f"{__name__}.restored"}
    for each in (entered, left, outages):
        each.clear()


def bare(event):
    yield


@asynccontextmanager
async def in_async_code(event):
    yield


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("no.such.function", "cannot be imported: ModuleNotFoundError"),
        (5, "cannot be imported"),
        ("django.VERSION", "is no function"),
        (f"{__name__}.bare", "lacks the decorator @contextmanager"),
        (f"{__name__}.in_async_code", "is `async`"),
    ],
    ids=repr,
)
def test_e008_when_it_makes_no_context_manager(settings, path, says):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "HANDLER_CONTEXT": path}
    (message,) = check_handlers(None)
    assert message.id == "consumers.E008"
    assert repr(path) in message.msg
    assert says in message.msg


def test_nothing_is_wrong_when_it_makes_one():
    assert check_handlers(None) == []


@pytest.mark.django_db(transaction=True)
def test_handler_and_what_waits_for_its_commit_run_within():
    seen = []

    @subscribe("a.#")
    def handle(event):
        seen.append(tenant.get())
        transaction.on_commit(lambda: seen.append(f"{tenant.get()} after"))

    deliver(handle, event())
    assert seen == ["e1's", "e1's after"]
    # Around the handler's transaction, which the inbox's row is in.
    assert left == [("e1", False)]
    assert tenant.get() == "nobody's"


@pytest.mark.django_db(transaction=True)
def test_async_handler_runs_within():
    seen = []

    @subscribe("a.#")
    async def handle(event):
        seen.append(tenant.get())

    deliver(handle, event())
    assert seen == ["e1's"]


@pytest.mark.django_db(transaction=True)
def test_handler_without_the_inbox_runs_within():
    seen = []

    @subscribe("a.#", inbox=False)
    def handle(event):
        seen.append(tenant.get())

    deliver(handle, event())
    assert seen == ["e1's"]


@pytest.mark.django_db(transaction=True)
def test_handler_that_raises_leaves_it():
    @subscribe("a.#", retry=Backoff(delays=()))
    def handle(event):
        raise LookupError("no")

    with pytest.raises(LookupError):
        deliver(handle, event())
    assert left == [("e1", False)]


@pytest.mark.django_db(transaction=True)
def test_handler_is_not_called_where_it_raises_and_that_is_its_failure():
    @subscribe("a.#")
    def handle(event):
        Seen.objects.create(handler="handle", text="never", pid=0)

    outages.append(LookupError("there is no such tenant"))
    delivered = deliver(handle, event(), raise_exceptions=False)
    assert (delivered.became, str(delivered.exception)) == ("retried", "there is no such tenant")
    assert not Seen.objects.exists()
    assert not InboxEvent.objects.exists()


@contextmanager
def swallowing(event):
    with suppress(LookupError):
        yield


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("has_inbox", [True, False])
def test_handler_has_failed_when_its_context_swallows_what_it_raised(settings, has_inbox):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "HANDLER_CONTEXT": f"{__name__}.swallowing"}

    @subscribe("a.#", inbox=has_inbox)
    def handle(event):
        raise LookupError("no")

    delivered = deliver(handle, event(), raise_exceptions=False)
    assert (delivered.became, type(delivered.exception)) == ("retried", FailureSwallowed)
    assert f"'{__name__}.swallowing', which swallowed builtins.LookupError: no" in str(delivered.exception)
    assert place_of(delivered.exception, handle).startswith("handling/test_context.py:")
    assert not InboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_is_entered_anew_where_the_database_was_away():
    @subscribe("a.#")
    def handle(event):
        Seen.objects.create(handler="handle", text=tenant.get(), pid=0)

    outages.append(OperationalError("gone"))
    (handler,) = registry.handlers()
    # Not `deliver`, which waits for no database.
    result = Handling(handler, "s.h", stop=Flag())(Received(body=encode_event(event()), routing_key="a.b"))
    assert isinstance(result, Handled)
    assert entered == ["e1", "e1"]
    assert Seen.objects.get().text == "e1's"


@pytest.mark.django_db(transaction=True)
def test_batch_handler_runs_outside_also_with_one_event():
    seen = []

    @subscribe("a.#", batch=10)
    def handle(events):
        seen.append(tenant.get())

    deliver_batch(handle, [event("e1"), event("e2")])
    deliver(handle, event("e3"))
    assert seen == ["nobody's"] * 2
    assert entered == []


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize(("options", "seen"), [({}, "e1's"), ({"batch": 10}, "nobody's")], ids=["single", "batch"])
def test_handler_runs_as_in_a_worker_when_it_is_rehearsed(options, seen):
    @subscribe("a.#", **options)
    def handle(given):
        Seen.objects.create(handler="handle", text=tenant.get(), pid=0)

    (handler,) = registry.handlers()
    rehearsal = rehearse(handler, "e1", encode_event(event()), "a.b")
    assert rehearsal.exception == ""
    assert seen in rehearsal.writes[0].values


def test_handler_that_is_asked_runs_within():
    def answer(**kwargs):
        return tenant.get()

    handler = Handler(name="h", function=answer, triggers=triggers_of([user_login]), ask=True)
    asked = Asked(handler, "s.h", stop=Flag(), has_database=False)
    body = foreign(type="tests.foo.signals.user_login", tenant="acme", data={"kwargs": {}})
    assert b"acme" in asked(Received(body=body, routing_key="foo.user_login")).body
