"""Handlers for signals, in processes of their own. These names are all that a module with handlers needs to import."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consumers.exceptions import BatchFailed, Reject, Retry
    from consumers.handling.processing import current_event
    from consumers.registry import receiver, subscribe
    from consumers.retry import Backoff
    from consumers.script import run
    from publisher.wire.event import Event

__all__ = ["Backoff", "BatchFailed", "Event", "Reject", "Retry", "current_event", "receiver", "run", "subscribe"]

# Imported on first use: a site that has this app installed, but runs no handlers, never needs these modules.
MODULES = {
    "Backoff": "consumers.retry",
    "BatchFailed": "consumers.exceptions",
    "Event": "publisher.wire.event",
    "Reject": "consumers.exceptions",
    "Retry": "consumers.exceptions",
    "current_event": "consumers.handling.processing",
    "receiver": "consumers.registry",
    "run": "consumers.script",
    "subscribe": "consumers.registry",
}


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES[name]), name)
