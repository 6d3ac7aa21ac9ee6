"""The context manager that a project runs its handlers in: SIGNAL_BRIDGE["HANDLER_CONTEXT"]."""

from contextlib import AbstractContextManager, nullcontext

from django.utils.module_loading import import_string

from publisher import conf
from publisher.wire.event import Event

NOTHING = nullcontext()


def handler_context(event: Event) -> AbstractContextManager[object]:
    """The context for the handler of this event. If the project's function raises, the handler has failed."""
    path = conf.handler_context()
    if path is None:
        return NOTHING
    context: AbstractContextManager[object] = import_string(path)(event)
    return context
