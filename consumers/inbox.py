"""Forgets what was handled long ago."""

import logging
from datetime import timedelta

from django.db import Error, connections, router

from consumers.models import InboxEvent
from consumers.querysets import inbox
from publisher import conf

logger = logging.getLogger(__name__)


def prune() -> None:
    """Delete inbox rows older than INBOX_DAYS, in a thread of its own; trouble with the database can wait."""
    using = router.db_for_write(InboxEvent)
    try:
        count, _ = inbox(using).older_than(timedelta(days=conf.inbox_days())).delete()
        logger.info("pruned inbox events=%d", count)
    except Error as exc:
        logger.warning("inbox not pruned: %s", type(exc).__name__)
    finally:
        connections.close_all()
