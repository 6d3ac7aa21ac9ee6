"""A system check of a rule's `subject`: a kwarg that its signals are never sent with makes them about nothing."""

from collections.abc import Iterator

from django.core.checks import CheckMessage, Warning

from publisher.catalogue.sending import MORE, sent_kwargs
from publisher.catalogue.signals import KnownSignal, taken_by
from publisher.checks.keys import SENT_WITH
from publisher.events.about import SUBJECT_KWARGS
from publisher.hints import near
from publisher.rules import Rule


def check_subject(rule: Rule, where: str) -> Iterator[CheckMessage]:
    if rule.subject is None:
        return
    known = [names for signal in taken_by(rule) if (names := known_kwargs(signal))]
    if known and not any(rule.subject in names for names in known):
        there_are = dict.fromkeys(name for names in known for name in names)
        yield Warning(
            f"{where}: {rule.signal!r} is sent without {rule.subject!r}, its subject.",
            hint=near(rule.subject, there_are),
            id="publisher.W009",
        )


def known_kwargs(signal: KnownSignal) -> tuple[str, ...]:
    """What it is sent with; empty where that is not known, or there may be more."""
    sent = SENT_WITH.get(signal.name)
    names = tuple(sorted(sent)) if sent is not None else sent_kwargs(signal)
    return () if MORE in names else names


def is_about_nothing(signal: KnownSignal) -> bool:
    """Whether it is known to be sent with nothing that its events could be about, but for its sender."""
    names = known_kwargs(signal)
    return bool(names) and not set(SUBJECT_KWARGS).intersection(names)
