"""How fast the relay empties the outbox into a quorum queue, beside those that publish from memory."""

from dataclasses import dataclass

from bench.broker import Broker
from bench.figures import Bar, Figure, at_least, compared
from bench.progress import steps
from bench.run import Run

NAME = "relay"
ROWS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A function in `bench.peers`; `share` of the relay's rows is what a slower one publishes."""

    function: str
    name: str
    share: float = 1.0
    more: int = 0
    bar: Bar | None = None

    def rate(self, run: Run, broker: Broker, rows: int) -> float:
        """Messages a second, all of which are in the queue afterwards."""
        count = int(rows * self.share)
        broker.fresh_queue()
        seconds = run.measure(f"bench.peers.{self.function}", count=count, queue=run.servers.queue)
        broker.require(count + self.more)
        return float(count / seconds)


LIMIT = Contender(function="raw_socket:publish", name="raw socket, the limit", bar=at_least(0.8))
KOMBU = Contender(function="kombu_producer:publish", name="kombu, no confirms", share=0.4, bar=at_least(2.5))
RELAY = Contender(function="relay:publish", name="relay")
PEERS = (
    LIMIT,
    Contender(function="pika_pipelined:publish", name="pika, pipelined confirms", share=0.4),
    Contender(function="pika_blocking:publish", name="pika, one confirm at a time", share=0.01),
    # Its first message, which is not counted, makes it connect.
    Contender(
        function="celery_task:publish", name="Celery apply_async, confirms", share=0.02, more=1, bar=at_least(10)
    ),
    KOMBU,
    Contender(function="kombu_producer:publish_bytes", name="kombu, no confirms, ready bytes", share=0.4),
    Contender(function="faststream_broker:publish", name="FastStream, confirms", share=0.06),
)


def run(run: Run) -> list[Figure]:
    rounds, rows = run.size(7, 3), run.size(ROWS, ROWS // 5)
    rates: dict[str, list[float]] = {contender.name: [] for contender in (RELAY, *PEERS)}
    with Broker(run.servers) as broker, steps("Relay", rounds * len(rates)) as begin:
        for _ in range(rounds):
            for contender in (RELAY, *PEERS):
                begin(contender.name)
                if contender is RELAY:
                    run.measure("bench.events:fill_outbox", count=rows)
                rates[contender.name].append(contender.rate(run, broker, rows))
    name = f"relay, {rows:,} rows from PostgreSQL"
    mine = rates[RELAY.name]
    figures = [compared(NAME, name, mine, peer.name, rates[peer.name], unit="/s", bar=peer.bar) for peer in PEERS]
    # How much faster than kombu anything could be here.
    return [*figures, compared(NAME, LIMIT.name, rates[LIMIT.name], KOMBU.name, rates[KOMBU.name], unit="/s")]
