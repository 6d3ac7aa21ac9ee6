"""Forgets what was handled long ago."""

import logging
from datetime import timedelta

from django.db import Error, connections, router

from consumers.models import InboxEvent
from consumers.querysets import attempts, inbox
from publisher import conf

logger = logging.getLogger(__name__)


def forget(using: str, age: timedelta) -> int:
    """Events that were handled, or begun in vain, longer ago; how many were handled."""
    attempts(using).older_than(age).remove()
    return inbox(using).older_than(age).remove()


def prune() -> None:
    """Forget what is older than INBOX_DAYS, in a thread of its own; trouble with the database can wait."""
    using = router.db_for_write(InboxEvent)
    try:
        count = forget(using, timedelta(days=conf.inbox_days()))
        logger.info("pruned inbox events=%d", count)
    except Error as exc:
        logger.warning("inbox not pruned: %s", type(exc).__name__)
    finally:
        connections.close_all()
