"""Gives a rule's routing keys as AsyncAPI addresses: parts that differ by event are names in braces."""

import re
from collections.abc import Mapping
from string import Formatter
from typing import NamedTuple

from publisher.catalogue.signals import KnownSignal
from publisher.rules import Rule
from publisher.wire.routing import routing_key, shortened

SENDER = "sender"
UNKNOWN_SENDER = f"{{{SENDER}}}"


class Address(NamedTuple):
    """`parameters` are the names in braces in `text`. Other braces belong to the key itself."""

    text: str
    parameters: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The text with only the characters that a name may have.

        >>> Address("flags.{kwargs_why}.a b", ("kwargs_why",)).name
        'flags.kwargs_why.a_b'
        """
        text = self.text
        for parameter in self.parameters:
            text = text.replace(f"{{{parameter}}}", parameter)
        return re.sub(r"[^\w.-]", "_", text)


def address_of(known: KnownSignal, rule: Rule, sender: str | None) -> Address:
    """The address of a signal under a rule. `sender` is its label, or None where anyone may send the signal."""
    if rule.routing_key is None:
        key = routing_key(known.group, known.word, sender or UNKNOWN_SENDER)
        return Address(key, () if sender else (SENDER,))
    here = {"group": known.group, "signal": known.word, **({SENDER: sender} if sender else {})}
    return _formed(rule.routing_key, here)


def _formed(template: str, here: Mapping[str, str]) -> Address:
    """The address of a `routing_key` template, filled in from `here`.

    >>> _formed("x{{y}}.{sender:.3}.{kwargs[instance][pk]!s}", {"sender": "shop.tag"})
    Address(text='x{y}.sho.{kwargs_instance_pk}', parameters=('kwargs_instance_pk',))
    """
    words: list[str] = []
    parameters: dict[str, None] = {}
    for literal, name, spec, conversion in Formatter().parse(template):
        words.append(literal)
        if name is None:
            continue
        known = _known(f"{{{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}}}", here)
        if known is None:
            parameter = re.sub(r"\W+", "_", name).strip("_")
            parameters[parameter] = None
            known = f"{{{parameter}}}"
        words.append(known)
    text = "".join(words)
    return Address(text if parameters else shortened(text), tuple(parameters))


def _known(field: str, here: Mapping[str, str]) -> str | None:
    """The formatted field; None where only an event has its value."""
    try:
        return field.format_map(here)
    except (LookupError, ValueError, AttributeError, TypeError):
        return None
