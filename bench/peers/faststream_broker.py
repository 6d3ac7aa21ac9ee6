"""FastStream: `publish` with confirms, many awaited together."""

import asyncio
import time
from collections.abc import Sequence

from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange

from bench.events import events
from publisher import conf
from publisher.events.body import Encoded
from publisher.wire.event import CONTENT_TYPE

TOGETHER = 500


def publish(count: int, queue: str) -> float:
    return asyncio.run(_publish(list(events(count))))


async def _publish(messages: Sequence[Encoded]) -> float:
    async with RabbitBroker(conf.broker_url(), logger=None) as broker:
        exchange = RabbitExchange(conf.exchange(), type=ExchangeType.TOPIC, durable=True, declare=False)
        began = time.perf_counter()
        for start in range(0, len(messages), TOGETHER):
            together = messages[start : start + TOGETHER]
            await asyncio.gather(*(_send(broker, exchange, message) for message in together))
        return time.perf_counter() - began


async def _send(broker: RabbitBroker, exchange: RabbitExchange, message: Encoded) -> None:
    await broker.publish(
        message.body,
        exchange=exchange,
        routing_key=message.routing_key,
        persist=True,
        content_type=CONTENT_TYPE,
        message_id=message.event.id,
        message_type=message.event.type,
    )
