"""A piece of work for a thread of the pool: deliveries of one queue, and the handling that they go to."""

from collections.abc import Sequence

import msgspec

from consumers.handling.handling import Handling
from consumers.handling.received import Received
from publisher.wire.intake import Delivery
from publisher.wire.printable import printable


class Job(msgspec.Struct, frozen=True):
    """One delivery, or the deliveries of one batch, with what was read from their headers (`received`).

    The handler of a job that `is_solitary` is called while no other handler runs in this process. If that is not
    possible now, the job's result is Dangerous.
    """

    handling: Handling
    deliveries: Sequence[Delivery]
    received: Sequence[Received]
    is_solitary: bool = False


def identity(delivery: Delivery) -> tuple[str, bytes]:
    """What a message is recognised by when the broker delivers it a second time."""
    return delivery.queue, delivery.body


def ids_of(job: Job) -> str:
    """The ids of its events, for the log."""
    return ",".join(printable(delivery.properties.message_id) for delivery in job.deliveries)
