"""Metrics of OpenTelemetry, by its real SDK: what a relay published, what waits, and what handlers took."""

import json

import pytest

from tests.stage import eventually

# What a process with the SDK and the user's own module does, where a command would.
SENT = """
from tests.bar.sdk import set_up_metrics
set_up_metrics()
from django.core.management import call_command
from tests.foo.signals import article_flagged, user_login
"""


@pytest.fixture
def measured(stage):
    """The points of all that was measured by processes that have ended: name, attributes, point."""
    path = stage.folder / "metrics"
    stage.env |= {"TEST_HANDLERS": "tests.bar.measured", "TEST_METRICS": str(path)}

    def points():
        return [
            (metric["name"], point["attributes"], point)
            for line in path.read_text().splitlines()
            for resource in json.loads(line)["resource_metrics"]
            for scope in resource["scope_metrics"]
            for metric in scope["metrics"]
            for point in metric["data"]["data_points"]
        ]

    return points


def test_relay_tells_what_it_published_and_what_waits(stage, measured):
    stage.manage("topology", "--declare")
    stage.python(f"""{SENT}
user_login.send(None, user=None, request=None)
user_login.send(None, user=None, request=None)
article_flagged.send(None, n="nobody is bound")
call_command("relay", "--once")
user_login.send(None, user=None, request=None)
""")
    points = {(name, told.get("error.type")): (told, point["value"]) for name, told, point in measured()}
    sent = {"messaging.system": "rabbitmq", "messaging.operation.name": "send",
            "messaging.destination.name": stage.env["TEST_EXCHANGE"]}  # fmt: skip
    assert points["messaging.client.sent.messages", None] == (sent, 2)
    unroutable = {**sent, "error.type": "unroutable"}
    assert points["messaging.client.sent.messages", "unroutable"] == (unroutable, 1)
    database = {"signal_bridge.database": "default"}
    outbox = {name.removeprefix("signal_bridge.outbox."): point for (name, _), point in points.items()}
    assert outbox["pending"] == (database, 1)
    assert (outbox["parked"], outbox["kept"]) == ((database, 0), (database, 0))
    assert 0 < outbox["oldest"][1] < 60


def test_consumer_tells_how_long_handlers_took_and_what_became_of_each(stage, measured):
    stage.manage("topology", "--declare")
    stage.python("from tests.foo.signals import user_login; user_login.send(None, user=None, request=None)")
    stage.manage("relay", "--once")
    consumer = stage.start("consume", "noted", "wavering", "refusing")
    eventually(lambda: stage.seen("wavering"))
    consumer.terminate()
    consumer.wait()
    durations = {
        (told["messaging.destination.name"].rpartition(".")[2], told["signal_bridge.outcome"]): (told, point)
        for name, told, point in measured()
        if name == "messaging.process.duration"
    }
    assert {key: (told.get("error.type"), point["count"]) for key, (told, point) in durations.items()} == {
        ("noted", "handled"): (None, 1),
        ("wavering", "failed"): ("consumers.exceptions.Retry", 1),
        ("wavering", "handled"): (None, 1),
        ("refusing", "dead"): ("consumers.exceptions.Reject", 1),
    }
    assert all(0 < point["sum"] < 20 for _, point in durations.values())
    lags = {told["messaging.destination.name"].rpartition(".")[2]: point for name, told, point in measured()
            if name == "signal_bridge.process.lag"}  # fmt: skip
    assert lags.keys() == {"noted", "wavering"}
    # It waited a second between its attempts.
    assert lags["wavering"]["sum"] - 0.5 > lags["noted"]["sum"] > 0


def test_nothing_is_measured_when_the_process_does_not_import_it(stage, measured):
    printed = stage.python("""
import sys
from django.core.management import call_command
call_command("relay", "--once")
print([name for name in sys.modules if name.startswith("opentelemetry") or name.endswith("instruments")])
""")
    assert printed.splitlines()[-1] == "[]"
