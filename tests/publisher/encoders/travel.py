"""Values on their way: what leaves of one, and what a handler gets of it."""

import json

from publisher.catalogue.signals import named
from publisher.events.dispatch import encoded_event
from publisher.rules import Rule
from publisher.wire.event import Event, decode_event

LOGIN = "tests.foo.signals.user_login"


def event(sender=None, path=LOGIN, rule=None, **kwargs) -> Event:
    """Through real bytes. A rule that says nothing is strict: what has no encoder fails the test."""
    given = {"strict": True, **(rule or {})}
    return decode_event(encoded_event(named(path), sender, kwargs, Rule(signal=path, **given), "blog").body)


def travelled(value, **rule):
    return event(x=value, rule=rule).kwargs["x"]


def sent(value, **rule):
    """Plain JSON and the sidecar without the paths' beginning."""
    data = event(x=value, rule=rule).data
    return data["kwargs"].get("x"), {
        path.removeprefix("kwargs.x").lstrip("."): tag for path, tag in data["types"].items()
    }


def text_of(value, **rule) -> str:
    return json.dumps(sent(value, **rule))
