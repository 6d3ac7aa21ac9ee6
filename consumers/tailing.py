"""Follows the messages that pass the exchange, and connects again when the connection is lost."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from threading import Event as Flag
from uuid import uuid4

from publisher import conf
from publisher.wire.errors import BrokerUnavailable
from publisher.wire.lifecycle import connect_patiently
from publisher.wire.loop import Loop
from publisher.wire.pause import Pause
from publisher.wire.tap import Tap
from publisher.wire.topology import events_exchange

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0


def follow(
    patterns: Sequence[str], on_message: Callable[[str, bytes], None], stop: Flag, on_ready: Callable[[], None]
) -> None:
    """Call `on_message` with routing key and body of each message, until `stop` is set.

    `on_ready` is called after each connect: messages are missed while there is no connection. Raises BrokerRefused.
    """
    with closing(Loop()) as loop:
        pause = Pause(stop)
        while not stop.is_set():
            began = time.monotonic()
            try:
                connection = connect_patiently(conf.broker_url, "tail", stop=stop, loop=loop)
                if connection is None:
                    return
                with connection:
                    connection.declare(events_exchange(conf.exchange()))
                    name = f"{conf.service()}.tail.{uuid4().hex[:12]}"
                    Tap(connection, conf.exchange(), patterns, queue=name, on_message=on_message)
                    on_ready()
                    while not stop.is_set():
                        connection.poll(POLL_SECONDS)
            except BrokerUnavailable as exc:
                logger.warning("connection lost: %s", exc)
                pause.after(began)
