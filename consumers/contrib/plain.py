"""An event as a task gets it: a dict of plain JSON, and back."""

from typing import Any

import msgspec

from publisher.wire.event import Event


def plain(event: Event) -> dict[str, Any]:
    """The CloudEvent, and `routing_key`."""
    built: dict[str, Any] = msgspec.to_builtins(event)
    return built


def event_of(sent: dict[str, Any]) -> Event:
    """In a task: the event again, with `kwargs` decoded as a handler gets them. Raises msgspec.ValidationError."""
    return msgspec.convert(sent, Event)
