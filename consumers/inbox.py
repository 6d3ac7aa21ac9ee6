"""Deletes old rows of the inbox and of attempts."""

import logging
from datetime import timedelta

from django.db import Error, connections, router

from consumers.models import InboxEvent
from consumers.querysets import attempts, inbox
from publisher import conf

logger = logging.getLogger(__name__)


def forget(using: str, age: timedelta) -> int:
    """Delete the rows of events older than `age` in this database. Returns how many the inbox had."""
    attempts(using).older_than(age).remove()
    return inbox(using).older_than(age).remove()


def prune() -> None:
    """Forget events older than INBOX_DAYS. Runs in a thread of its own; a database error is only logged."""
    using = router.db_for_write(InboxEvent)
    try:
        count = forget(using, timedelta(days=conf.inbox_days()))
        logger.info("pruned inbox events=%d", count)
    except Error as exc:
        logger.warning("inbox not pruned: %s", type(exc).__name__)
    finally:
        connections.close_all()
