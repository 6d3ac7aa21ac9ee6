"""Log every event: what happened, to what, and when."""

import logging

from consumers import Event, run, subscribe

logger = logging.getLogger("consumers.examples.audit_log")


@subscribe("#")
def audit(event: Event) -> None:
    time = event.time.isoformat() if event.time else None
    logger.info("audit time=%s key=%s subject=%s id=%s", time, event.routing_key, event.subject, event.id)


if __name__ == "__main__":
    run()
