"""A handler as the broker sees it: its queue, and the routing keys that are bound to the queue."""

from collections.abc import Iterable
from string import Formatter

from django.apps import apps
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from consumers.delays import TIERS_SECONDS
from consumers.exceptions import NamelessSignal, NotBound
from consumers.handler import Handler, Sender, Trigger
from publisher import conf
from publisher.catalogue.signals import KnownSignal, known_as, takes
from publisher.events.source import sender_label
from publisher.rules import Rule, first_match
from publisher.wire.printable import printable
from publisher.wire.routing import QUEUE_MARK, matches, routing_key
from publisher.wire.topology import Topology, answering, subscription, waiting


def queue_of(handler: Handler) -> str:
    return f"{conf.service()}.{handler.name}"


def topology_of(handlers: Iterable[Handler]) -> Topology:
    """All exchanges, queues and bindings that these handlers need on the broker."""
    handlers, exchange = tuple(handlers), conf.exchange()
    # The retry queues are not needed for handlers with ask=True: a question is not tried again.
    are_all_asked = bool(handlers) and all(handler.ask for handler in handlers)
    whole = Topology() if are_all_asked else waiting(exchange, TIERS_SECONDS)
    for handler in handlers:
        queue, keys = queue_of(handler), keys_of(handler)
        if handler.ask:
            whole += answering(exchange, queue, keys)
        else:
            whole += subscription(exchange, queue, keys, ordered=handler.ordered)
    return whole


def keys_of(handler: Handler) -> tuple[str, ...]:
    """The patterns bound to the handler's queue."""
    keys = [*handler.patterns]
    for signal, sender in handler.triggers:
        known = known_signal(signal)
        keys.append(routing_key(known.group, known.word, sender_name(sender) or "#"))
        # A rule may give its events a key of its own, in place of the default one.
        keys += [pattern_of(rule.routing_key) for rule in rules_about(known) if rule.routing_key]
    return tuple(dict.fromkeys(keys))


def is_bound(handler: Handler, key: str) -> bool:
    """Whether the broker brings an event with this key to the handler.

    A key that begins with @ names the queue of one offloaded receiver. A pattern such as `#` does not match it:
    only that receiver gets the event.
    """
    keys = keys_of(handler)
    return key in keys if key.startswith(QUEUE_MARK) else any(matches(pattern, key) for pattern in keys)


def check_bound(handler: Handler, key: str) -> None:
    """Raises NotBound if the broker would not bring an event with this key to the handler."""
    if not is_bound(handler, key):
        raise NotBound(
            f"{handler.name} is bound to {', '.join(keys_of(handler))}, not to {printable(key)}. {NotBound.__doc__}"
        )


def known_signal(signal: Signal) -> KnownSignal:
    """The signal as the catalogue knows it, with its name. Raises NamelessSignal if the catalogue does not have it."""
    known = known_as(signal)
    if known is None:
        raise NamelessSignal(" ".join((NamelessSignal.__doc__ or "").split()))
    return known


def sender_name(sender: Sender) -> str | None:
    """How a routing key names the sender: a label in lower case, or the publisher's name for a class; None for all."""
    return sender.lower() if isinstance(sender, str) else sender_label(sender)


def rules_about(known: KnownSignal) -> list[Rule]:
    """The rules of this project that forward the signal, in their order."""
    return [rule for rule in conf.rules() if takes(rule, known)]


def is_forwarded(handler: Handler) -> bool:
    """Whether a rule of this project forwards one of the handler's signals from the sender that it wants."""
    return any(map(_is_sent, handler.triggers))


def _is_sent(trigger: Trigger) -> bool:
    label = sender_name(trigger.sender)
    if label is not None and isinstance(trigger.signal, ModelSignal) and is_missing_model(label):
        return False
    rules = rules_about(known_signal(trigger.signal))
    return bool(rules) if label is None else first_match(rules, label) is not None


def is_missing_model(label: str) -> bool:
    """Whether the label names an app that is installed here, but no model in it."""
    lower = label.lower()
    if lower.partition(".")[0] not in map(str.lower, apps.app_configs):
        return False
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    return all(model._meta.label_lower != lower for model in models)


def pattern_of(format_string: str) -> str:
    """The pattern that matches all keys which this format string can make.

    >>> pattern_of("moderation.{kwargs[reason]}")
    'moderation.#'
    """
    words = []
    for word in "".join(
        text + ("\0" if name is not None else "") for text, name, *_ in Formatter().parse(format_string)
    ).split("."):
        words.append("#" if "\0" in word else word)
    return ".".join(words)
