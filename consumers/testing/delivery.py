"""For tests: makes events, and delivers them to handlers as a worker would, but without a broker."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any, Literal, TypeVar

from django.dispatch import Signal
from msgspec.structs import replace

from consumers.bindings import check_bound, is_bound, known_signal, queue_of, rules_about
from consumers.discovery import chosen, discover
from consumers.exceptions import Reject, Retry, UnknownHandler
from consumers.handler import Handler
from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.handling.results import LOOK_SECONDS, Answered, AtAnother, Dead, Failed, Handled, Result
from consumers.offloaded import Runner, offloaded_handlers
from consumers.registry import handlers
from consumers.retry import said_by
from consumers.worker.asked import Asked
from publisher import conf
from publisher.ask import reply_in
from publisher.events.dispatch import encoded_event
from publisher.events.source import sender_label
from publisher.forwarding import is_wanted
from publisher.rules import Rule
from publisher.wire.event import Event, decode_event, encode_event
from publisher.wire.routing import QUEUE_MARK

# A function that was decorated or offloaded, a handler's name, or the handler itself.
AnyHandler = Handler | Callable[..., Any] | str
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The outcome for one event. `skipped`: it was handled before, or the handler is not called for such an event.

    `after` is the pause before the next attempt, in seconds. `reason` says why the event is a dead letter. `exception`
    is what the handler raised. The event of a handler with ask=True is `answered`, with its `answer`, or `failed`.
    """

    became: Literal["handled", "skipped", "retried", "dead", "answered", "failed"]
    after: float | None = None
    reason: str = ""
    exception: BaseException | None = None
    answer: Any = None


def event_from(signal: Signal, sender: Any = None, **kwargs: Any) -> Event:
    """The event of `signal.send(sender, **kwargs)`, made by this project's rule for it, or by a rule with defaults.

    Raises NamelessSignal.
    """
    known = known_signal(signal)
    rules = (rule for rule in rules_about(known) if rule.takes_sender(sender_label(sender)))
    wanting = (rule for rule in rules if rule.when is None or is_wanted(rule, sender, kwargs))
    rule = next(wanting, Rule(signal=known.name))
    encoded = encoded_event(known, sender, kwargs, rule, conf.service())
    return decode_event(encoded.body, encoded.routing_key)


def deliver(
    handler: AnyHandler,
    event: Event,
    *,
    attempt: int = 1,
    redelivered: bool = False,
    raise_exceptions: bool = True,
) -> Delivered:
    """Handle one event as a worker does: decoded, with the inbox, in a transaction. It runs in this thread.

    What the handler raises is raised here, except for Retry and Reject. With `raise_exceptions=False` it is not: the
    exception only decides the outcome, as in a worker. `attempt` counts from 1. `redelivered`: the event was delivered
    before, and not acknowledged. Raises NotBound if the broker would not bring the event to this handler.
    """
    (delivered,) = deliver_batch(
        handler, [event], attempt=attempt, redelivered=redelivered, raise_exceptions=raise_exceptions
    )
    return delivered


def deliver_batch(
    handler: AnyHandler,
    events: Sequence[Event],
    *,
    attempt: int = 1,
    redelivered: bool = False,
    raise_exceptions: bool = True,
) -> list[Delivered]:
    """Handle several events: in batches if the handler takes them, else one after the other. See `deliver`.

    As in a worker, a batch has as many events as the handler's `batch` says, and a batch handler gets the events one by
    one if they are redelivered, or have been attempted before.
    """
    wanted = handler_of(handler)
    handling = (_WatchedAsked if wanted.ask else _Watched)(wanted)
    events = [addressed(wanted, event) for event in events]
    for event in events:
        _check_bound(handling.handler, event)
    received = [
        Received(
            body=encode_event(replace(event, routing_key="")),
            routing_key=event.routing_key,
            attempt=attempt,
            is_suspect=redelivered,
        )
        for event in events
    ]
    if handling.handler.batch and not any(one.is_alone for one in received):
        results = [result for batch in in_batches(received, handling.handler) for result in handling.together(batch)]
    else:
        results = list(map(handling, received))
    delivered = [
        _delivered(result, handling.raised.get(id(one.body))) for result, one in zip(results, received, strict=True)
    ]
    for one in delivered:
        if raise_exceptions and one.exception is not None and not isinstance(one.exception, Retry | Reject):
            raise one.exception
    return delivered


def deliver_all(events: Iterable[Event], *, raise_exceptions: bool = True) -> list[tuple[str, Delivered]]:
    """Deliver each event to every handler of this project that the broker would bring it to.

    Returns pairs of the handler's name and the outcome, event by event. Events that the handlers send are not
    delivered; that takes another call. Handlers with ask=True are left out.
    """
    handlers = [handler for handler in discover() if not handler.ask]
    return [
        (handler.name, deliver(handler, event, raise_exceptions=raise_exceptions))
        for event in events
        for handler in handlers
        if is_bound(handler, event.routing_key)
    ]


def in_batches(items: Sequence[Item], handler: Handler) -> list[Sequence[Item]]:
    """What the handler gets in each call: as many items as its batch has, or a single one."""
    size = handler.batch or 1
    return [items[first : first + size] for first in range(0, len(items), size)]


class _Watched(Handling):
    """Remembers what the handler raised. Never waits for the database: that would close the connection, and with it end
    the test's transaction.
    """

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler, queue_of(handler), stop=Flag())
        # By the identity of the body, which is the same object in all copies of a delivery.
        self.raised: dict[int, BaseException] = {}
        self._once.patience.using = ""

    def failed(self, exc: BaseException, received: Received) -> Result:
        self.raised[id(received.body)] = said_by(exc)
        return super().failed(exc, received)

    def _failed_with_others(self, exc: BaseException, received: Received) -> Result:
        self.raised[id(received.body)] = said_by(exc)
        return super()._failed_with_others(exc, received)


class _WatchedAsked(_Watched, Asked):
    """The same for a handler with ask=True."""


def handler_of(wanted: AnyHandler) -> Handler:
    """The handler that this name or function stands for. Raises UnknownHandler."""
    if isinstance(wanted, Handler):
        return wanted
    if isinstance(wanted, str):
        return chosen(discover(), [wanted])[0]
    for handler in (*handlers(), *offloaded_handlers()):
        # `in` compares by `==`, as it must: each access to a bound method makes a new object.
        if wanted in (handler.function, getattr(handler.function, "receiver", None)):
            return handler
    raise UnknownHandler(f"{wanted!r} is no handler: decorate it with @receiver or @subscribe, or name it in OFFLOAD.")


def addressed(handler: Handler, event: Event) -> Event:
    """The event with the routing key that brings it to this handler. An offloaded receiver has a key of its own."""
    if not isinstance(handler.function, Runner) or event.routing_key.startswith(QUEUE_MARK):
        return event
    return replace(event, routing_key=handler.patterns[0])


def _check_bound(handler: Handler, event: Event) -> None:
    if event.routing_key:
        check_bound(handler, event.routing_key)


def _delivered(result: Result, exc: BaseException | None) -> Delivered:
    if isinstance(result, Handled):
        return Delivered(became="skipped" if result.event is None else "handled")
    if isinstance(result, Answered):
        return _answered(result, exc)
    if isinstance(result, Failed):
        return Delivered(became="retried", after=result.after, exception=exc)
    if isinstance(result, AtAnother):
        return Delivered(became="retried", after=LOOK_SECONDS)
    assert isinstance(result, Dead)
    return Delivered(became="dead", reason=result.reason, exception=exc)


def _answered(result: Answered, exc: BaseException | None) -> Delivered:
    if result.body is None:
        return Delivered(became="skipped")
    reply = reply_in(result.body)
    if reply.error is not None:
        return Delivered(became="failed", reason=reply.error, exception=exc)
    return Delivered(became="answered", answer=reply.value)
