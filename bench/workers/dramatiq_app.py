"""`dramatiq bench.workers.dramatiq_app --processes 1 --threads 8`"""

import os
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from bench.broker import QUORUM
from bench.workers.tally import handled


class QuorumBroker(RabbitmqBroker):
    """Dramatiq has no setting for the kind of its queues."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        return {**super()._build_queue_arguments(queue_name), **QUORUM}


dramatiq.set_broker(QuorumBroker(url=os.environ["BENCH_BROKER_URL"]))


@dramatiq.actor(queue_name=os.environ["BENCH_QUEUE"])
def noop(body: str) -> None:
    handled()
