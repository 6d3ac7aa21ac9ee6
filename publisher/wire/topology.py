"""Exchanges, queues and bindings as values: the same arguments on RabbitMQ 3.10 and 4.x."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from publisher.wire.routing import QUEUE_MARK

Item = TypeVar("Item")
# A last resort, since consumers count the attempts themselves. It is high, because up to RabbitMQ 4.2 every return to
# the queue counts, also at a deploy, when a connection is lost, or when another handler crashes the process.
DELIVERY_LIMIT = 100
NO_LIMIT = 2**31 - 1
# The longest `timeout` of a question. Older questions expire in their queue.
LONGEST_ASK_SECONDS = 60
NAME_BYTES = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    name: str
    kind: Literal["topic", "direct", "fanout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    name: str
    arguments: dict[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    exchange: str
    queue: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()

    def __add__(self, other: "Topology") -> "Topology":
        return Topology(
            exchanges=_union(self.exchanges, other.exchanges),
            queues=_union(self.queues, other.queues),
            bindings=_union(self.bindings, other.bindings),
        )


def _union(mine: tuple[Item, ...], theirs: tuple[Item, ...]) -> tuple[Item, ...]:
    return mine + tuple(item for item in theirs if item not in mine)


def events_exchange(exchange: str) -> Topology:
    """The topic exchange that events are published to, except those for a single queue."""
    return Topology(exchanges=(Exchange(name=exchange, kind="topic"),))


def offloading(exchange: str) -> Topology:
    """The exchange for the events of offloaded receivers."""
    return Topology(exchanges=(Exchange(name=offload_exchange(exchange), kind="direct"),))


def dead_exchange(exchange: str) -> str:
    """The name of the direct exchange that routes dead letters by the name of their queue."""
    return f"{exchange}.dead"


def return_exchange(exchange: str) -> str:
    """The name of the direct exchange that routes retried, replayed and backfilled events to one queue by its name."""
    return f"{exchange}.return"


def offload_exchange(exchange: str) -> str:
    """The name of the direct exchange that routes to an offloaded receiver's queue by its name."""
    return f"{exchange}.offload"


def ask_exchange(exchange: str) -> str:
    """The name of the topic exchange for questions. It is separate, so that a handler of `#` does not get them."""
    return f"{exchange}.ask"


def addressed(exchange: str, key: str) -> tuple[str, str]:
    """The exchange and the AMQP routing key for an event's key. A key that begins with @ names a queue.

    >>> addressed("signals", "db.post_save.blog.comment"), addressed("signals", "@blog.index")
    (('signals', 'db.post_save.blog.comment'), ('signals.offload', 'blog.index'))
    """
    return (offload_exchange(exchange), key[1:]) if key.startswith(QUEUE_MARK) else (exchange, key)


def retry_exchange(exchange: str, tier_seconds: int) -> str:
    """The name of the exchange, and of its queue, in which events wait this long."""
    return f"{exchange}.retry.{tier_seconds}s"


def dead_queue(queue: str) -> str:
    return f"{queue}.dead"


def asking(exchange: str) -> Topology:
    """The exchange for questions."""
    return Topology(exchanges=(Exchange(name=ask_exchange(exchange), kind="topic"),))


def published_to(exchange: str) -> Topology:
    """All exchanges that a relay may publish to, since processes with other settings may write to its outbox too."""
    return events_exchange(exchange) + offloading(exchange) + returning(exchange)


def returning(exchange: str) -> Topology:
    """The exchange that routes a message to one queue by its name."""
    return Topology(exchanges=(Exchange(name=return_exchange(exchange), kind="direct"),))


def waiting(exchange: str, tiers_seconds: Iterable[int]) -> Topology:
    """The queues in which events of all handlers wait between attempts. The routing key leads each event back."""
    back, whole = return_exchange(exchange), returning(exchange)
    for tier in tiers_seconds:
        name = retry_exchange(exchange, tier)
        arguments: dict[str, str | int | bool] = {
            "x-queue-type": "quorum",
            "x-message-ttl": tier * 1000,
            "x-dead-letter-exchange": back,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        whole += Topology(
            exchanges=(Exchange(name=name, kind="fanout"),),
            queues=(Queue(name=name, arguments=arguments),),
            bindings=(Binding(exchange=name, queue=name, key=""),),
        )
    return whole


def subscription(exchange: str, queue: str, keys: Iterable[str], *, ordered: bool = False) -> Topology:
    """One handler's queue with its bindings, and its queue of dead letters.

    Dead-lettering is at-least-once, which quorum queues require `x-overflow: reject-publish` for.
    https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering
    """
    dead, graves, back = dead_queue(queue), dead_exchange(exchange), return_exchange(exchange)
    arguments: dict[str, str | int | bool] = {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": graves,
        "x-dead-letter-routing-key": dead,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    if ordered:
        arguments["x-single-active-consumer"] = True
    # Without a limit, since looking at a dead letter is a delivery: RabbitMQ 4's default would drop it after 20.
    kept: dict[str, str | int | bool] = {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT}
    addresses = [addressed(exchange, key) for key in keys]
    straight = offloading(exchange) if any(name != exchange for name, _ in addresses) else Topology()
    return (
        events_exchange(exchange)
        + straight
        + Topology(
            exchanges=(Exchange(name=graves, kind="direct"), Exchange(name=back, kind="direct")),
            queues=(Queue(name=dead, arguments=kept), Queue(name=queue, arguments=arguments)),
            bindings=(
                Binding(exchange=graves, queue=dead, key=dead),
                Binding(exchange=back, queue=queue, key=queue),
                *(Binding(exchange=name, queue=queue, key=key) for name, key in addresses),
            ),
        )
    )


def answering(exchange: str, queue: str, keys: Iterable[str]) -> Topology:
    """The queue of a handler that answers questions: classic and without dead letters, since they need not be kept."""
    arguments: dict[str, str | int | bool] = {
        "x-queue-type": "classic",
        "x-message-ttl": LONGEST_ASK_SECONDS * 1000,
    }
    return asking(exchange) + Topology(
        queues=(Queue(name=queue, arguments=arguments),),
        bindings=tuple(Binding(exchange=ask_exchange(exchange), queue=queue, key=key) for key in keys),
    )
