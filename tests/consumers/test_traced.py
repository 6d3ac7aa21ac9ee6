"""The trace and the id of a request, from its headers to the logs, the messages and the handlers of other processes."""

import re

import pytest

from tests.stage import eventually

TRACED = "tests.bar.traced"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
LOGIN = f"""
from django.contrib.auth.models import User
from django.test import Client
User.objects.create_user("ada", password="demo")
headers = {{"traceparent": "00-{TRACE_ID}-00f067aa0ba902b7-01", "x-request-id": "r-1"}}
Client().post("/foo/login/", {{"username": "ada", "password": "demo"}}, headers=headers)
"""


@pytest.fixture
def consuming(stage):
    """A stage with a relay and the three handlers, which are ready."""
    stage.env |= {"TEST_HANDLERS": TRACED}
    stage.worker = stage.start("consume", "noted", "wavering", "refusing")
    eventually(lambda: "consuming" in stage.worker.log.read_text())
    stage.start("relay")
    return stage


def lines(log, handler):
    """What became of events there, and with which ids."""
    found = re.findall(rf" (\w+) event=\S+((?: \w+=\S+)*?) handler={handler} ", log.read_text())
    return [(word, ids.strip()) for word, ids in found]


def test_log_has_trace_and_request_of_what_became_of_an_event(consuming):
    consuming.python(LOGIN)
    eventually(lambda: consuming.seen("wavering") and lines(consuming.worker.log, "refusing"))
    ids = f"trace={TRACE_ID} request=r-1"
    assert lines(consuming.worker.log, "noted") == [("handled", ids)]
    assert lines(consuming.worker.log, "refusing") == [("dead", ids)]
    eventually(lambda: len(lines(consuming.worker.log, "wavering")) == 2)
    assert lines(consuming.worker.log, "wavering") == [("failed", ids), ("handled", ids)]


def test_log_has_no_ids_when_the_request_had_none(consuming):
    consuming.python(LOGIN.replace("headers=headers", ""))
    eventually(lambda: lines(consuming.worker.log, "noted") and lines(consuming.worker.log, "refusing"))
    assert lines(consuming.worker.log, "noted") == [("handled", "")]
    assert lines(consuming.worker.log, "refusing") == [("dead", "")]


def test_message_keeps_its_correlation_through_dead_letter_and_replay(consuming, queues):
    consuming.python(LOGIN)
    (letter,) = eventually(lambda: queues.peek("refusing.dead"))
    assert letter.properties.correlation_id == "r-1"
    consuming.manage("deadletters", "replay", "--all")
    eventually(lambda: len(lines(consuming.worker.log, "refusing")) == 2)
    (again,) = eventually(lambda: queues.peek("refusing.dead"))
    assert again.properties.correlation_id == "r-1"
    assert again.properties.message_id == letter.properties.message_id
