"""What all events of one sender have in common: their names, their routing key, and where they are published."""

from functools import lru_cache

from django.db.models import Model
from django.db.models.signals import post_save

from publisher import conf
from publisher.catalogue.signals import KnownSignal
from publisher.events.extensions import extensions_from
from publisher.generated import outdated_by_updates
from publisher.rules import Rule
from publisher.wire import spans
from publisher.wire.event import Moment, moment_of_now
from publisher.wire.routing import class_label, routing_key, text_label
from publisher.wire.source import source_of
from publisher.wire.topology import addressed, ask_exchange


def sender_label(sender: object) -> str | None:
    """The last words of a routing key: `app_label.model_name`, `package.classname`, or a text in lower case.

    None without a sender, or for a text that cannot be part of a key.
    """
    if sender is None:
        return None
    if isinstance(sender, str):
        return text_label(str.__str__(sender))
    # Not `type()`, which for a lazy object is the class of the wrapper.
    return _label(sender if isinstance(sender, type) else sender.__class__)


@lru_cache(maxsize=4096)
def _label(kind: type) -> str:
    if issubclass(kind, Model) and hasattr(kind, "_meta"):
        return kind._meta.label_lower
    return class_label(kind)


class Source:
    """What all events of one signal have in common if they come from one sender, or one class, under one rule.

    `outdated` names the fields whose values on the instance are no longer true after an update. `creating` calls what
    makes an event inside an OpenTelemetry span; None without OpenTelemetry.
    """

    __slots__ = ("_extensions", "creating", "known", "label", "name", "outdated", "routing_key", "rule", "source")

    def __init__(self, known: KnownSignal, sender: object, rule: Rule, service: str, key: str | None = None) -> None:
        self.known = known
        self.rule = rule
        self.name = known.name
        self.label = sender_label(sender)
        self.source = source_of(service)
        self.routing_key = key or routing_key(known.group, known.word, self.label)
        is_saved = known.signal is post_save and isinstance(sender, type) and issubclass(sender, Model)
        self.outdated = outdated_by_updates(sender) if is_saved else ()
        self.creating = spans.creating(_exchange(rule, self.routing_key), self.name) if spans.are_made() else None
        self._extensions = conf.extensions()

    def moment(self) -> Moment:
        """The moment of an event that is made now, with its extensions. If these are wrong, a strict rule raises."""
        if self._extensions is None:
            return moment_of_now()
        return moment_of_now(extensions_from(self._extensions, is_strict=self.rule.strict))


def _exchange(rule: Rule, key: str) -> str:
    """The exchange that the events will be published to."""
    exchange = conf.exchange()
    return ask_exchange(exchange) if rule.delivery == "ask" else addressed(exchange, key)[0]
