"""Turns an event into a dict of plain JSON, which can be given to a task, and back."""

from typing import Any

import msgspec

from publisher.wire.event import Event


def plain(event: Event) -> dict[str, Any]:
    """The event as a dict: the fields of the CloudEvent, and `routing_key`."""
    built: dict[str, Any] = msgspec.to_builtins(event)
    return built


def event_of(sent: dict[str, Any]) -> Event:
    """The event of a dict that `plain` made; the task calls this. Its `kwargs` are those that a handler gets.

    Raises msgspec.ValidationError.
    """
    return msgspec.convert(sent, Event)
