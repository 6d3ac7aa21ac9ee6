"""What leaves: each signal under each rule that may decide, with what no schema says of its events."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from django.db.models import Model

from publisher import conf
from publisher.catalogue.signals import KnownSignal
from publisher.contract.addresses import Address, address_of
from publisher.events.dispatch import sender_label
from publisher.listing import is_sent_by
from publisher.receivers import rules_by_signal, senders_of
from publisher.rules import Rule, may_decide
from publisher.wire.topology import ask_exchange

# As a channel is known by: the same routing key is another one on another exchange.
Place = tuple[str, str]


class Sent(NamedTuple):
    """A signal under a rule, and of which model, where it is one's. `earlier` are the rules that may take it before."""

    known: KnownSignal
    rule: Rule
    model: type[Model] | None
    earlier: tuple[Rule, ...] = ()

    @property
    def address(self) -> Address:
        return address_of(self.known, self.rule, sender_label(self.model))

    @property
    def exchange(self) -> str:
        exchange = conf.exchange()
        return ask_exchange(exchange) if self.rule.delivery == "ask" else exchange

    @property
    def place(self) -> Place:
        return self.address.text, self.exchange

    def terms(self) -> dict[str, Any]:
        """In which way its events are sent, what they are about, when there are any, and whose they are."""
        rule, elsewhere = self.rule, self._taken_elsewhere()
        terms = {
            "x-delivery": rule.delivery,
            "x-subject": rule.subject,
            "x-when": rule.when,
            "x-unless": _texts(other.when for other in elsewhere if other.when),
        }
        if self.model is None:
            taken = [sender for other in elsewhere if not other.when and not other.exclude for sender in other.senders]
            terms |= {"x-senders": _texts(rule.senders), "x-exclude": _texts((*rule.exclude, *taken))}
        return {name: value for name, value in terms.items() if value}

    def _taken_elsewhere(self) -> list[Rule]:
        """The earlier rules that have events of these senders go another way."""
        others = [rule for rule in self.earlier if self.model is not None or _have_senders_in_common(rule, self.rule)]
        return [rule for rule in others if Sent(self.known, rule, self.model).place != self.place]


def all_sent() -> Iterator[Sent]:
    """Each signal with the rules that may forward it, and the model whose it is there."""
    for known, rules in rules_by_signal(conf.rules()):
        for model in senders_of(known, rules):
            if model is None or is_sent_by(model, known):
                deciding = tuple(may_decide(rules, sender_label(model)))
                yield from (Sent(known, rule, model, deciding[:n]) for n, rule in enumerate(deciding))


def _texts(texts: Any) -> list[str]:
    return list(dict.fromkeys(map(str, texts)))


def _have_senders_in_common(one: Rule, other: Rule) -> bool:
    pairs = [(mine, theirs) for mine in one.senders or ["*"] for theirs in other.senders or ["*"]]
    return any(fnmatchcase(mine, theirs) or fnmatchcase(theirs, mine) for mine, theirs in pairs)
