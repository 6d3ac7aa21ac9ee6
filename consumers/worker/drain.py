"""The end of a session: what was begun is finished, and the rest goes back to its queues."""

import logging
import time
from collections.abc import Callable, Iterable

from consumers.worker.pool import Job
from consumers.worker.session import Session

logger = logging.getLogger("consumers.worker")

LEAVE_SECONDS = 2.0


def drain(session: Session, grace_seconds: float) -> None:
    """Take no more, give back what was not begun, finish what was.

    Not so the ordered queues: another process would take what comes behind, while one runs here or is on its way
    back. They stay ours, and go over with all that is unacknowledged, in its order, when the connection ends.
    """
    session.take_no_more()
    for delivery, key in session.given_back:
        session.outlet.put_anew(delivery, key)
    _give_back(session, session.not_begun())
    _turn(session, grace_seconds, lambda: session.left or session.outlet.in_flight)
    if left := session.left:
        logger.warning("%d handlers did not end within %g seconds", left, grace_seconds)
        _leave_behind(session)
    # What is on its way would be there twice.
    _turn(session, LEAVE_SECONDS, lambda: session.outlet.in_flight)
    session.intake.wait_for_acks()


def _turn(session: Session, seconds: float, is_needed: Callable[[], int]) -> None:
    deadline = time.monotonic() + seconds
    while is_needed() and time.monotonic() < deadline:
        session.turn(0.1)


def _give_back(session: Session, jobs: Iterable[Job]) -> None:
    """As given out before, in its place; but as new, behind the others, where a handler sets apart what comes again.

    What came again already may have ended a process, and what cannot be read would lose the reason: that goes back as
    it is.
    """
    tags: list[int] = []
    for job in jobs:
        for delivery, of_it in zip(job.deliveries, job.received, strict=True):
            is_plain = not of_it.is_suspect and not of_it.flaw
            if is_plain and job.handling.sets_apart and not session.outlet.is_blocked:
                session.outlet.put_anew(delivery, of_it.routing_key)
            else:
                tags.append(delivery.tag)
    session.intake.give_back(tags)


def _leave_behind(session: Session) -> None:
    """What runs goes back as what nobody had: it is not to blame for the end of this process, which comes now."""
    for job in session.leave():
        for delivery, of_it in zip(job.deliveries, job.received, strict=True):
            session.outlet.put_anew(delivery, of_it.routing_key)
