"""The end of a session: what was begun is finished, and the rest goes back to its queues."""

import logging
import time

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
    session.intake.give_back(delivery.tag for job in session.not_begun() for delivery in job.deliveries)
    deadline = time.monotonic() + grace_seconds
    while (session.left or session.outlet.in_flight) and time.monotonic() < deadline:
        session.turn(0.1)
    if left := session.left:
        logger.warning("%d handlers did not end within %g seconds", left, grace_seconds)
        _leave_behind(session)
    session.intake.wait_for_acks()


def _leave_behind(session: Session) -> None:
    """What runs goes back as what nobody had: it is not to blame for the end of this process, which comes now."""
    for job in session.leave():
        for delivery, of_it in zip(job.deliveries, job.received, strict=True):
            session.outlet.put_anew(delivery, of_it.routing_key)
    deadline = time.monotonic() + LEAVE_SECONDS
    while session.outlet.in_flight and time.monotonic() < deadline:
        session.turn(0.1)
