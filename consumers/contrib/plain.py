"""Makes a dict of plain JSON of an event, for a task, and an event of the dict again."""

from typing import Any

import msgspec

from publisher.wire.event import Event


def plain(event: Event) -> dict[str, Any]:
    """The fields of the CloudEvent, and `routing_key`."""
    built: dict[str, Any] = msgspec.to_builtins(event)
    return built


def event_of(sent: dict[str, Any]) -> Event:
    """For the task: the event of this dict, with `kwargs` as a handler gets them. Raises msgspec.ValidationError."""
    return msgspec.convert(sent, Event)
