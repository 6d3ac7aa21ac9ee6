"""The project's own context manager around each handler's call: SIGNAL_BRIDGE["HANDLER_CONTEXT"]."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from django.utils.module_loading import import_string

from consumers.exceptions import FailureSwallowed
from consumers.handling.results import name_of, text_of
from publisher import conf
from publisher.wire.event import Event

NOTHING = nullcontext()


def handler_context(event: Event) -> AbstractContextManager[object]:
    """The context to call the handler of this event in. What the project's function raises counts as the handler's.

    Raises FailureSwallowed at its end if the project's context swallows what the handler raised.
    """
    path = conf.handler_context()
    if path is None:
        return NOTHING
    return _not_swallowing(import_string(path)(event), path)


@contextmanager
def _not_swallowing(context: AbstractContextManager[object], path: str) -> Iterator[None]:
    """The same context. A handler that failed must not look like one that returned: its event would be lost."""
    failure: BaseException | None = None
    with context:
        try:
            yield
        except BaseException as exc:
            failure = exc
            raise
    if failure is not None:
        what = " ".join((FailureSwallowed.__doc__ or "").split())
        text = f"{what} It is {path!r}, which swallowed {name_of(failure)}: {text_of(failure)}"
        raise FailureSwallowed(text).with_traceback(failure.__traceback__) from failure
