"""ON_FAILURE: what the project is told of handlers that raise."""

from asyncio import CancelledError
from threading import Event as Flag

import pytest

from consumers import Backoff, BatchFailed, Reject, Retry
from consumers.checks.handlers import check_handlers
from consumers.handler import Handler, triggers_of
from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.worker.asked import Asked
from tests.consumers.handling.test_handling import foreign
from tests.foo.signals import user_login

told = []


def report(exception, **context):
    told.append((exception, context))


def broken(exception, **context):
    raise LookupError("in here")


def cancelled(exception, **context):
    raise CancelledError


@pytest.fixture(autouse=True)
def _listening(settings):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "ON_FAILURE": f"{__name__}.report"}
    told.clear()


def handling(error, *, kind=Handling, **more):
    def function(*args, **kwargs):
        raise error

    once = Backoff(delays=(1,))
    handler = Handler(**{"name": "h", "function": function, "patterns": ("a",), "retry": once, **more})
    return kind(handler, "s.h", stop=Flag(), has_database=False)


@pytest.mark.parametrize(
    ("attempt", "error", "is_dead"), [(1, OSError(), False), (2, OSError(), True), (1, Reject("no"), True)]
)
def test_project_is_told_of_each_attempt_that_failed(attempt, error, is_dead):
    handling(error)(Received(body=foreign(id="e1"), routing_key="a", attempt=attempt))
    ((exception, context),) = told
    assert exception is error
    assert exception.__traceback__ is not None
    assert context.pop("event").id == "e1"
    assert context == {"handler": "h", "attempt": attempt, "is_dead": is_dead}


def test_project_is_not_told_of_what_comes_later_as_its_handler_asked():
    handling(Retry("not now"))(Received(body=foreign(), routing_key="a"))
    assert told == []


def test_project_is_told_when_no_attempt_is_left_to_the_handler_that_asked_for_one():
    handling(error := Retry("not now"))(Received(body=foreign(), routing_key="a", attempt=2))
    assert [(exception, context["is_dead"]) for exception, context in told] == [(error, True)]


def test_event_is_none_when_it_cannot_be_decoded():
    handling(OSError())(Received(body=b"{", routing_key="a"))
    ((_, context),) = told
    assert (context["event"], context["is_dead"]) == (None, True)


def test_each_event_of_a_batch_is_told_of_with_what_was_wrong_with_it():
    first, second = OSError("a"), OSError("b")
    batch = [Received(body=foreign(id=id), routing_key="a", attempt=2) for id in ("1", "2", "3")]
    handling(BatchFailed({"1": first, "2": second}), batch=5).together(batch)
    assert [(exception, context["event"].id, context["is_dead"]) for exception, context in told] == [
        (first, "1", True), (second, "2", True),
    ]  # fmt: skip


def test_batch_that_failed_as_a_whole_is_not_dead_before_its_events_were_tried_by_themselves():
    batch = [Received(body=foreign(id=id), routing_key="a", attempt=2) for id in ("1", "2")]
    handling(OSError(), batch=5).together(batch)
    assert [context["is_dead"] for _, context in told] == [False, False]


@pytest.mark.parametrize(("name", "raised"), [("broken", "LookupError"), ("cancelled", "CancelledError")])
def test_what_on_failure_raises_is_logged_and_changes_nothing(settings, caplog, name, raised):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "ON_FAILURE": f"{__name__}.{name}"}
    result = handling(OSError())(Received(body=foreign(), routing_key="a"))
    assert result.exception == "builtins.OSError"
    assert f"ON_FAILURE itself failed handler=h: {raised} (handling/test_failures.py:" in caplog.text
    assert "in here" not in caplog.text


async def asynchronous(exception, **context):
    pass


@pytest.mark.parametrize(("path", "says"), [("tests.nothing.report", "ModuleNotFoundError"), (5, "cannot be imported"),
                                            (f"{__name__}.told", "is no function"),
                                            (f"{__name__}.asynchronous", "is `async def`")])  # fmt: skip
def test_e007_when_on_failure_is_no_function(settings, path, says):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "ON_FAILURE": path}
    (message,) = check_handlers(None)
    assert message.id == "consumers.E007"
    assert says in message.msg


@pytest.mark.parametrize("error", [OSError(), Retry("there is no later for whoever waits")], ids=repr)
def test_project_is_told_that_no_attempt_follows_when_a_handler_that_is_asked_failed(error):
    asked = {"patterns": (), "triggers": triggers_of((user_login,), (None,)), "ask": True}
    handling(error, kind=Asked, **asked)(Received(body=foreign(), routing_key="a"))
    assert [(exception, context["is_dead"]) for exception, context in told] == [(error, True)]
