"""What a project puts around its handlers: SIGNAL_BRIDGE["HANDLER_CONTEXT"]."""

from contextlib import AbstractContextManager, nullcontext

from django.utils.module_loading import import_string

from publisher import conf
from publisher.wire.event import Event

NOTHING = nullcontext()


def handler_context(event: Event) -> AbstractContextManager[object]:
    """For the handler of this event to run in. Raises whatever the project's function does: the handler failed then."""
    path = conf.handler_context()
    if path is None:
        return NOTHING
    context: AbstractContextManager[object] = import_string(path)(event)
    return context
