"""Tells the project what its handlers raise: SIGNAL_BRIDGE["ON_FAILURE"]."""

import logging
from contextlib import suppress

from django.utils.module_loading import import_string

from consumers.handling import clock
from consumers.handling.received import Received, event_of
from publisher import conf
from publisher.raised import where
from publisher.wire.event import Event

logger = logging.getLogger("consumers.worker")


def tell(exc: BaseException, received: Received, handler: str, *, is_dead: bool) -> None:
    """Call ON_FAILURE in the handler's thread, after its transaction. Raises nothing."""
    path = conf.on_failure()
    if path is None:
        return
    # The handler's hard limit is not for this call.
    clock.stop()
    try:
        report = import_string(path)
        report(exc, event=_event(received), handler=handler, attempt=received.attempt, is_dead=is_dead)
    except BaseException as raised:  # it may be cancelled, or call sys.exit()
        logger.error("ON_FAILURE itself failed handler=%s: %s (%s)", handler, type(raised).__qualname__, where(raised))


def _event(received: Received) -> Event | None:
    """The event; None if it cannot be decoded, which may be the failure itself."""
    with suppress(Exception):
        return event_of(received)
    return None
