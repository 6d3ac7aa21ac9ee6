"""Compares two contracts: what consumers have to expect now that they had not to before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal

from publisher.contract.conditions import condition_of, senders_of
from publisher.contract.document import Document
from publisher.contract.reading import Channel, Message, Parts, channels_of, parts_of_all
from publisher.contract.taking import is_within, told

Effect = Literal["breaks", "adds", "narrows"]
ALL = "(all)"
IS_SENT = "is sent"
NOT_SENT = "is not sent any more"
GONE = "is gone"
# What each delivery means for consumers.
DELIVERIES = {
    "outbox": "no event is lost",
    "direct": "events may be lost",
    "ask": "a question, which is not kept",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`breaks`: a consumer may get what it did not have to expect, or not get what it did expect. `adds`: there is
    something new. `narrows`: fewer values are possible than before, or no event is lost any more. `path` is as in the
    `types` of an event, or a word such as `delivery`.
    """

    effect: Effect
    channel: str = ""
    signal: str = ""
    sender: str = ""
    path: str = ""
    change: str


def differences(before: Document, now: Document) -> list[Difference]:
    """The differences by channel. Raises LookupError, TypeError or AttributeError where a document is no contract."""
    found = [replace(each, channel=ALL) for each in _of_parts(parts_of_all(before), parts_of_all(now))]
    old, new = channels_of(before), channels_of(now)
    for address in sorted({*old, *new}):
        found += _of_address(address, old.get(address, {}), new.get(address, {}))
    return found


def next_version(version: str, found: list[Difference]) -> str:
    """The version after `major.minor`: a new major number if a difference breaks something.

    >>> next_version("1.4", [])
    '1.5'
    """
    major, _, minor = version.partition(".")
    of_now, next_minor = int(major), int(minor) + 1
    return f"{of_now + 1}.0" if any(each.effect == "breaks" for each in found) else f"{of_now}.{next_minor}"


def _of_address(address: str, old: Mapping[str, Channel], new: Mapping[str, Channel]) -> Iterator[Difference]:
    pairs = list(_pairs(list(old), list(new)))
    for before, now in pairs:
        name = address if len(pairs) == 1 else f"{address} ({now or before})"
        for each in _of_channel(old.get(before), new.get(now)):
            yield replace(each, channel=name)


def _pairs(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of old and new exchanges: equal ones, then the others in order; "" where one side has none left."""
    both = sorted({*old} & {*new})
    yield from zip(both, both, strict=True)
    left = (sorted({*exchanges} - {*both}) for exchanges in (old, new))
    yield from zip_longest(*left, fillvalue="")


def _of_channel(old: Channel | None, new: Channel | None) -> Iterator[Difference]:
    if new is None:
        yield Difference(effect="breaks", change=NOT_SENT)
    elif old is None:
        yield Difference(effect="adds", change=IS_SENT)
    else:
        if new.exchange != old.exchange:
            yield Difference(effect="breaks", path="exchange", change=f"was {old.exchange}; is {new.exchange}")
        for signal, sender in sorted({*old.messages, *new.messages}):
            found = _of_messages(old.messages.get((signal, sender), []), new.messages.get((signal, sender), []))
            yield from (replace(each, signal=signal, sender=sender) for each in found)


def _of_messages(old: list[Message], new: list[Message]) -> Iterator[Difference]:
    if not new:
        yield Difference(effect="breaks", change=NOT_SENT)
    elif not old:
        yield Difference(effect="adds", change=IS_SENT)
    else:
        yield from _of_conditions(old, new)
        # Without duplicates, since several rules may have the same difference.
        yield from dict.fromkeys(each for pair in _counterparts(old, new) for each in _of_message(*pair))


def _of_conditions(old: list[Message], new: list[Message]) -> Iterator[Difference]:
    before, now = ([message.terms for message in messages] for messages in (old, new))
    for path, was, its in (
        ("when", condition_of(before), condition_of(now)),
        ("senders", senders_of(before), senders_of(now)),
    ):
        if its != was:
            effect: Effect = "breaks" if its.leaves_out_what(was) else "adds"  # type: ignore[arg-type]
            yield Difference(effect=effect, path=path, change=f"was sent {was}; is sent {its}")


def _counterparts(old: list[Message], new: list[Message]) -> Iterator[tuple[Message, Message]]:
    """Pairs of messages with the same condition.

    A message without such a counterpart is paired with the last one, whose rule takes the rest of the events.
    """
    before, now = ({message.condition: message for message in messages} for messages in (old, new))
    for condition in {**before, **now}:
        yield before.get(condition, old[-1]), now.get(condition, new[-1])


def _of_message(old: Message, new: Message) -> Iterator[Difference]:
    was, its = (message.terms.get("x-delivery", "") for message in (old, new))
    if was != its:
        effect: Effect = "narrows" if (was, its) == ("direct", "outbox") else "breaks"
        yield Difference(effect=effect, path="delivery", change=f"was {was}; is {its}: {DELIVERIES[its]}")
    was, its = (message.terms.get("x-subject", "instance, user or the sender") for message in (old, new))
    if was != its:
        change = f"was that of {was}; is that of {its}, and so is partitionkey"
        yield Difference(effect="breaks", path="subject", change=change)
    for each in _of_parts(old.parts, new.parts):
        if each.change != GONE or not new.may_have(each.path):
            yield each


def _of_parts(old: Parts, new: Parts) -> Iterator[Difference]:
    for path in sorted({*old, *new}):
        if path not in new:
            yield Difference(effect="breaks", path=path, change=GONE)
        elif path not in old:
            yield Difference(effect="adds", path=path, change=f"is new: {told(new[path])}")
        elif old[path] != new[path]:
            effect: Effect = "narrows" if is_within(new[path], old[path]) else "breaks"
            yield Difference(effect=effect, path=path, change=f"was {told(old[path])}; is {told(new[path])}")
