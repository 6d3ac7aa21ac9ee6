"""Tells what `consume --until-empty` leaves behind: events that wait for their next attempt."""

import logging

from consumers.delays import TIERS_SECONDS
from publisher.wire.connection import Connection
from publisher.wire.topology import retry_exchange

logger = logging.getLogger("consumers.worker")


def tell_put_off(connection: Connection, exchange: str) -> None:
    """Log how many events wait in the retry queues, which all handlers of the exchange share."""
    waiting = sum(connection.count_messages(retry_exchange(exchange, tier)) or 0 for tier in TIERS_SECONDS)
    if waiting:
        logger.info("not waited for: events=%d between two attempts, of any handler", waiting)
