"""`python -m bench.workers.faststream_app`, which is what `faststream run` does.

The handler takes the body as it is: FastStream decodes no `application/cloudevents+json` by itself.
"""

import asyncio
import os

from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from faststream.rabbit.schemas.queue import QueueType

from bench.workers.tally import handled

# As much as the fastest of the others takes ahead; without a limit it is no faster.
PREFETCH = 1000

broker = RabbitBroker(os.environ["BENCH_BROKER_URL"], default_channel=Channel(prefetch_count=PREFETCH), logger=None)
app = FastStream(broker, logger=None)


@broker.subscriber(RabbitQueue(os.environ["BENCH_QUEUE"], durable=True, queue_type=QueueType.QUORUM, declare=False))
async def noop(body: bytes) -> None:
    handled()


if __name__ == "__main__":
    asyncio.run(app.run())
