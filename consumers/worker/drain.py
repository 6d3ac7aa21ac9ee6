"""The end of a session: handlers that run may finish, and all other deliveries go back to their queues."""

import logging
import time
from collections.abc import Callable, Iterable

from consumers.worker.job import Job
from consumers.worker.session import Session

logger = logging.getLogger("consumers.worker")

# How long to wait, after the grace period, for confirms that have not come yet.
CONFIRM_SECONDS = 2.0


def drain(session: Session, grace_seconds: float) -> None:
    """Take no more deliveries, give back those that no handler has begun with, and wait for those that run.

    Events of ordered queues are kept until the connection ends. If they were given back now, another process would
    handle later events while an earlier one still runs here. When the connection ends, the broker requeues them all, in
    their order.
    """
    session.take_no_more()
    for delivery, key in session.given_back:
        session.outlet.put_anew(delivery, key)
    _give_back(session, session.not_begun())
    _turn(session, grace_seconds, lambda: session.unsettled or session.outlet.in_flight)
    if unsettled := session.unsettled:
        logger.warning("%d handlers did not end within %g seconds", unsettled, grace_seconds)
        _leave_behind(session)
    # If the connection ended before a copy was confirmed, the event might come twice: as the copy, and redelivered.
    _turn(session, CONFIRM_SECONDS, lambda: session.outlet.in_flight)
    session.intake.wait_for_acks()


def _turn(session: Session, seconds: float, is_needed: Callable[[], int]) -> None:
    deadline = time.monotonic() + seconds
    while is_needed() and time.monotonic() < deadline:
        session.turn(0.1)


def _give_back(session: Session, jobs: Iterable[Job]) -> None:
    """Give the events of these jobs back to their queues. Each keeps its place there, but is marked as redelivered.

    If the handler treats redelivered events with caution (`sets_apart`), a new copy goes to the queue's end instead.
    But an event that was redelivered to us may have killed a process, so it has to stay marked. An event that cannot be
    read gets no copy either, since a copy would not show why.
    """
    tags: list[int] = []
    for job in jobs:
        for delivery, received in zip(job.deliveries, job.received, strict=True):
            is_plain = not received.is_suspect and not received.flaw
            if is_plain and job.handling.sets_apart and not session.outlet.is_blocked:
                session.outlet.put_anew(delivery, received.routing_key)
            else:
                tags.append(delivery.tag)
    session.intake.give_back(tags)


def _leave_behind(session: Session) -> None:
    """Put the events of handlers that still run back as new: it is not their fault that this process ends now."""
    for job in session.leave_behind():
        for delivery, received in zip(job.deliveries, job.received, strict=True):
            session.outlet.put_anew(delivery, received.routing_key)
