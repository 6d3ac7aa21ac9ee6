"""The project's own context manager around each handler's call: SIGNAL_BRIDGE["HANDLER_CONTEXT"]."""

from contextlib import AbstractContextManager, nullcontext

from django.utils.module_loading import import_string

from publisher import conf
from publisher.wire.event import Event

NOTHING = nullcontext()


def handler_context(event: Event) -> AbstractContextManager[object]:
    """The context to call the handler of this event in. What the project's function raises counts as the handler's."""
    path = conf.handler_context()
    if path is None:
        return NOTHING
    context: AbstractContextManager[object] = import_string(path)(event)
    return context
