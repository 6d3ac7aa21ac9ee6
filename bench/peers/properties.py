"""The AMQP properties of an event, as the relay sends them."""

import pika

from publisher import conf
from publisher.events.body import Encoded
from publisher.wire.event import CONTENT_TYPE, seconds_of


def properties(encoded: Encoded) -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type=CONTENT_TYPE,
        delivery_mode=2,
        message_id=encoded.event.id,
        timestamp=seconds_of(encoded.event.id),
        type=encoded.event.type,
        app_id=conf.service(),
    )
