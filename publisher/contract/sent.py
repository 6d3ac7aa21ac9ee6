"""What is sent: each signal under each rule that may decide about it."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from django.db.models import Model

from publisher import conf
from publisher.catalogue.signals import KnownSignal
from publisher.contract.addresses import Address, address_of
from publisher.events.source import sender_label
from publisher.listing import is_sent_by
from publisher.receivers import rules_by_signal, senders_of
from publisher.rules import Rule, may_decide
from publisher.wire.topology import ask_exchange

# Address and exchange, which identify a channel.
Place = tuple[str, str]


class Sent(NamedTuple):
    """A signal under a rule, sent by `model`, or by anyone if it is None. Rules in `earlier` may take events first."""

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
        """The `x-` keys: how events are delivered, what they are about, when and by whom they are sent."""
        rule, elsewhere = self.rule, self._taken_elsewhere()
        terms = {
            "x-delivery": rule.delivery,
            "x-subject": rule.subject,
            "x-when": rule.when,
            "x-unless": _texts(other.when for other in elsewhere if other.when),
        }
        if self.model is None:
            taken = [sender for other in elsewhere if not other.when for sender in _taken(other)]
            terms |= {"x-senders": _texts(rule.senders), "x-exclude": _texts((*rule.exclude, *taken))}
        return {name: value for name, value in terms.items() if value}

    def _taken_elsewhere(self) -> list[Rule]:
        """The earlier rules that send some events of these senders to another channel."""
        others = [rule for rule in self.earlier if self.model is not None or _have_senders_in_common(rule, self.rule)]
        return [rule for rule in others if Sent(self.known, rule, self.model).place != self.place]


def all_sent() -> Iterator[Sent]:
    """Each signal with each rule that may forward it, for each model that sends it."""
    for known, rules in rules_by_signal(conf.rules()):
        for model in senders_of(known, rules):
            if model is None or is_sent_by(model, known):
                deciding = tuple(may_decide(rules, sender_label(model)))
                yield from (Sent(known, rule, model, deciding[:n]) for n, rule in enumerate(deciding))


def _texts(texts: Any) -> list[str]:
    return list(dict.fromkeys(map(str, texts)))


def _taken(rule: Rule) -> Iterator[str]:
    """The globs over senders that the rule takes, as `crm.* (not crm.lead)` where it excludes some of them."""
    for sender in rule.senders or ["*"]:
        left = ", ".join(glob for glob in rule.exclude if _overlap(sender, glob))
        yield f"{sender} (not {left})" if left else sender


def _have_senders_in_common(one: Rule, other: Rule) -> bool:
    mine, theirs = (
        [sender for sender in rule.senders or ["*"] if not any(fnmatchcase(sender, glob) for glob in by.exclude)]
        for rule, by in ((one, other), (other, one))
    )
    return any(_overlap(sender, their) for sender in mine for their in theirs)


def _overlap(one: str, other: str) -> bool:
    return fnmatchcase(one, other) or fnmatchcase(other, one)
