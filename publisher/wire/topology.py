"""Exchanges, queues and bindings as values: the same arguments on RabbitMQ 3.10 and 4.x."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from publisher.wire.routing import QUEUE_MARK

Item = TypeVar("Item")
# A net under the count of starts that consumers keep. Up to RabbitMQ 4.2 every return counts, however innocent: at a
# deploy, when a connection is lost, when a neighbour crashes.
DELIVERY_LIMIT = 100
NO_LIMIT = 2**31 - 1
# No question is asked for longer: what is older than that is taken out of its queue, whoever reads it.
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
    """The topic exchange that every event is published to, unless it is for an offloaded receiver alone."""
    return Topology(exchanges=(Exchange(name=exchange, kind="topic"),))


def offloading(exchange: str) -> Topology:
    """What offloaded receivers need beside their queues."""
    return Topology(exchanges=(Exchange(name=offload_exchange(exchange), kind="direct"),))


def dead_exchange(exchange: str) -> str:
    """The direct exchange that dead letters go through, by their queue's name."""
    return f"{exchange}.dead"


def return_exchange(exchange: str) -> str:
    """The direct exchange to one subscription's queue, by its name: after a wait, from dead letters, or backfilled."""
    return f"{exchange}.return"


def offload_exchange(exchange: str) -> str:
    """The direct exchange to the queue of an offloaded receiver, by its name: what is sent to it is for nobody else."""
    return f"{exchange}.offload"


def ask_exchange(exchange: str) -> str:
    """The topic exchange of questions, which are no events: a handler of all events is not asked."""
    return f"{exchange}.ask"


def addressed(exchange: str, key: str) -> tuple[str, str]:
    """The exchange and the routing key that an event's key means: one that begins with @ is a queue's name.

    >>> addressed("signals", "db.post_save.blog.comment"), addressed("signals", "@blog.index")
    (('signals', 'db.post_save.blog.comment'), ('signals.offload', 'blog.index'))
    """
    return (offload_exchange(exchange), key[1:]) if key.startswith(QUEUE_MARK) else (exchange, key)


def retry_exchange(exchange: str, tier_seconds: int) -> str:
    """The exchange, and the queue of the same name, where events wait so long."""
    return f"{exchange}.retry.{tier_seconds}s"


def dead_queue(queue: str) -> str:
    return f"{queue}.dead"


def asking(exchange: str) -> Topology:
    """What questions are published to."""
    return Topology(exchanges=(Exchange(name=ask_exchange(exchange), kind="topic"),))


def published_to(exchange: str) -> Topology:
    """What a relay needs, whatever its settings: the rows in its outbox may be of a process with others."""
    return events_exchange(exchange) + offloading(exchange) + returning(exchange)


def returning(exchange: str) -> Topology:
    """What brings a message to one queue, by its name."""
    return Topology(exchanges=(Exchange(name=return_exchange(exchange), kind="direct"),))


def waiting(exchange: str, tiers_seconds: Iterable[int]) -> Topology:
    """The queues that events wait in between attempts, shared by all: a message's routing key is its way back."""
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
    """One handler's queue with its bindings, and where its dead letters go.

    Dead-lettering is at-least-once, which quorum queues only do when a full queue rejects publishes.
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
    # A look at a dead letter is a delivery too: RabbitMQ 4's default limit would drop it after twenty of them.
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
    """The queue of a handler that is asked: classic and without dead letters, since no question is worth keeping."""
    arguments: dict[str, str | int | bool] = {
        "x-queue-type": "classic",
        "x-message-ttl": LONGEST_ASK_SECONDS * 1000,
    }
    return asking(exchange) + Topology(
        queues=(Queue(name=queue, arguments=arguments),),
        bindings=tuple(Binding(exchange=ask_exchange(exchange), queue=queue, key=key) for key in keys),
    )
