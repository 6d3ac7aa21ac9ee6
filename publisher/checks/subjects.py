"""System checks of the kwargs that a rule names, in its `subject` and its `routing_key`: its signals must be sent with
them.
"""

import re
from collections.abc import Iterator
from string import Formatter

from django.core.checks import CheckMessage, Warning

from publisher.catalogue.sending import MORE, sent_kwargs
from publisher.catalogue.signals import KnownSignal, taken_by
from publisher.checks.keys import SENT_WITH
from publisher.events.about import SUBJECT_KWARGS
from publisher.hints import near
from publisher.rules import Rule

KWARG = re.compile(r"kwargs\[(\w+)\]")


def check_subject(rule: Rule, where: str) -> Iterator[CheckMessage]:
    if rule.subject is None:
        return
    known = [names for signal in taken_by(rule) if (names := known_kwargs(signal))]
    if known and not any(rule.subject in names for names in known):
        there_are = dict.fromkeys(name for names in known for name in names)
        yield Warning(
            f"{where}: {rule.signal!r} is sent without {rule.subject!r}, which the rule names as its subject.",
            hint=near(rule.subject, there_are),
            id="publisher.W009",
        )


def check_kwargs_of_key(rule: Rule, where: str) -> Iterator[CheckMessage]:
    """A warning, not an error: the kwargs of custom signals are only known from their source, which may mislead."""
    wanted = _kwargs_in(rule.routing_key)
    signals = [signal for signal in taken_by(rule) if signal.name not in SENT_WITH] if wanted else []
    known = [known_kwargs(signal) for signal in signals]
    if not known or not all(known):
        return
    there_are = dict.fromkeys(name for names in known for name in names)
    for name in wanted:
        if name not in there_are:
            yield Warning(
                f"{where}: {rule.signal!r} is sent without {name!r}, which its routing key needs: the default is used.",
                hint=near(name, there_are),
                id="publisher.W012",
            )


def _kwargs_in(template: str | None) -> list[str]:
    try:
        names = [name for _, name, _, _ in Formatter().parse(template or "") if name]
    except (ValueError, TypeError):
        # A wrong template has an error of its own.
        return []
    return list(dict.fromkeys(match[1] for name in names if (match := KWARG.match(name))))


def known_kwargs(signal: KnownSignal) -> tuple[str, ...]:
    """The names of the signal's kwargs; empty where they are not known, or not all of them are."""
    sent = SENT_WITH.get(signal.name)
    names = tuple(sorted(sent)) if sent is not None else sent_kwargs(signal)
    return () if MORE in names else names


def is_about_nothing(signal: KnownSignal) -> bool:
    """Whether it is known that no kwarg of the signal can be what its events are about."""
    names = known_kwargs(signal)
    return bool(names) and not set(SUBJECT_KWARGS).intersection(names)
