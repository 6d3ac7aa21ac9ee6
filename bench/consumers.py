"""The handlers that are measured."""

from bench.models import Handled
from bench.workers.tally import handled
from consumers import subscribe
from publisher.wire.event import Event


@subscribe("#", name="noop", inbox=False)
def noop(event: Event) -> None:
    handled()


@subscribe("#", name="write")
def write(event: Event) -> None:
    Handled._default_manager.create(event=event.id, routing_key=event.routing_key)
    handled()
