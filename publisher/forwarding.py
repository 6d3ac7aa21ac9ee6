"""What becomes of one dispatch of a signal that a rule forwards."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db.models import Model
from django.db.models.signals import ModelSignal, m2m_changed
from django.utils.module_loading import import_string

from publisher import ask, conf, counters, direct
from publisher.atomicity import is_loading
from publisher.catalogue.signals import KnownSignal
from publisher.changes.tracking import changes_of
from publisher.events.dispatch import Encoded, Source, encoded_from, sender_label
from publisher.events.rows import Row, row_of
from publisher.events.snapshots import Template, template_of
from publisher.incidental import harmless, is_incidental, not_written
from publisher.outbox.writing import forbid_commit, record
from publisher.rules import Rule
from publisher.wire.errors import EncoderFailed, NotEncodable

logger = logging.getLogger(__name__)

MOST_KINDS = 4096
# Of the events of one sender under one rule, and how those look that need not be encoded at once.
Way = tuple[Source, Template | None]


def forwarder(known: KnownSignal, rules: tuple[Rule, ...]) -> Callable[..., Any]:
    """Forwards a dispatch. It takes everything by name, since a signal's kwargs may be called anything."""

    service = conf.service()
    ways: dict[type | None, tuple[Way, ...]] = {}
    # To any other signal, `raw` means what it likes.
    may_be_fixture = isinstance(known.signal, ModelSignal)

    def ways_of(sender: object) -> tuple[Way, ...]:
        label = sender_label(sender)
        is_text = isinstance(sender, str)
        sources = [Source(known, sender, rule, service) for rule in rules if rule.takes_sender(label, is_text=is_text)]
        return tuple((source, template_of(source, sender)) for source in sources)

    def ways_for(sender: object) -> tuple[Way, ...]:
        kind = sender if sender is None or isinstance(sender, type) else sender.__class__
        candidates = ways.get(kind)
        if candidates is None:
            candidates = ways_of(sender)
            # Of texts there may be any number, and of classes that are made in requests.
            if len(ways) >= MOST_KINDS:
                ways.clear()
            if not isinstance(sender, str):
                ways[kind] = candidates
        return candidates

    def forward(**named: Any) -> Any:
        del named["signal"]
        sender = named.pop("sender")
        if may_be_fixture and named.get("raw") is True and not conf.forwards_raw():
            return None
        try:
            candidates = ways_for(sender)
        except Exception as exc:
            # A lazy object that cannot be had, a class that cannot be hashed.
            if any(rule.fails_sender for rule in rules):
                forbid_commit(exc, alias_of(None, named))
                raise
            not_written(known.name, exc)
            return None
        for source, template in candidates:
            rule = source.rule
            try:
                if rule.when is None or is_wanted(rule, sender, named):
                    if template is None:
                        return delivered(source, sender, named)
                    return written(source, template, sender, named)
            except Exception as exc:
                if rule.fails_sender:
                    forbid_commit(exc, alias_of(sender, named))
                raise
        return None

    if known.signal is m2m_changed:
        return but_fixtures(forward)
    if is_incidental(known):
        return harmless(known, forward, is_strict=any(rule.strict for rule in rules))
    return forward


def but_fixtures(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Of relations Django says `raw` from 6.1 on; before, what is sent while a fixture is saved is taken for it."""

    def forward_others(**named: Any) -> Any:
        is_fixture = "raw" not in named and is_loading()
        return None if is_fixture and not conf.forwards_raw() else forward(**named)

    return forward_others


def delivered(source: Source, sender: object, kwargs: dict[str, Any]) -> Any:
    """What the sender gets to see of it: nothing, or an answer."""
    rule = source.rule
    if rule.changes:
        kwargs = with_changes(kwargs)
    encoded = encoded_or_counted(source, sender, kwargs)
    if encoded is None:
        return rule.on_timeout if rule.delivery == "ask" else None
    return DELIVERIES[rule.delivery](encoded, rule, alias_of(sender, kwargs))


def written(source: Source, template: Template, sender: object, kwargs: dict[str, Any]) -> None:
    """To the outbox, and not encoded before where that makes no difference."""
    using, rule = alias_of(sender, kwargs), source.rule
    snapshot = template.snapshot(kwargs)
    if snapshot is not None:
        record_row(snapshot.row, source.name, using)
    elif (encoded := encoded_or_counted(source, sender, kwargs)) is not None:
        template.learn(kwargs, encoded)
        to_outbox(encoded, rule, using)


def with_changes(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The kwargs of a `post_save`, and what was changed."""
    instance = kwargs.get("instance")
    changed = changes_of(instance, kwargs.get("update_fields")) if isinstance(instance, Model) else None
    return kwargs if changed is None else {**kwargs, "changes": changed}


def encoded_or_counted(source: Source, sender: object, kwargs: Mapping[str, Any]) -> Encoded | None:
    """None for what cannot be encoded, which is counted and logged; where the rule is strict, the sender is told."""
    try:
        return encoded_from(source, sender, kwargs)
    except Exception as exc:
        if source.rule.fails_sender:
            raise
        if counters.is_news(number := counters.count(counters.ENCODER_FAILED, source.name)):
            # What somebody else's error says may be a value.
            error = exc if isinstance(exc, EncoderFailed | NotEncodable) else type(exc).__name__
            logger.error("event not sent, %d of this signal so far: %s", number, error)
        return None


def to_outbox(encoded: Encoded, rule: Rule, using: str) -> None:
    row = row_of(encoded, rule)
    record_row(lambda: row, row.type, using)


def record_row(row: Callable[[], Row], type: str, using: str) -> None:
    try:
        record(row, using)
    except Exception as exc:
        if not is_forbidden_by_a_test(exc):
            raise
        not_written(type, exc)


def is_forbidden_by_a_test(exc: BaseException | None) -> bool:
    """Whether the database was refused to a test that said it would not use it, by Django or by pytest-django."""
    while exc is not None:
        refused = type(exc).__name__ == "DatabaseOperationForbidden"
        if refused or (type(exc) is RuntimeError and "Database access not allowed" in str(exc)):
            return True
        exc = exc.__cause__
    return False


def to_broker(encoded: Encoded, rule: Rule, using: str) -> None:
    event = encoded.event
    direct.send(direct.DirectEvent(event.id, event.type, encoded.routing_key, encoded.body), using)


def to_handler(encoded: Encoded, rule: Rule, using: str) -> Any:
    """The one delivery that answers its sender, and does not wait for the transaction: its answer may decide it."""
    event = encoded.event
    return ask.ask(
        event.id, event.type, encoded.routing_key, encoded.body, seconds=rule.timeout, default=rule.on_timeout
    )


DELIVERIES: Mapping[str, Callable[[Encoded, Rule, str], Any]] = {
    "outbox": to_outbox, "direct": to_broker, "ask": to_handler,
}  # fmt: skip


def is_wanted(rule: Rule, sender: object, kwargs: Mapping[str, Any]) -> bool:
    """What the rule's predicate says. One that fails forwards, unless the rule is strict: rather one event too many."""
    try:
        return bool(import_string(rule.when or "")(sender=sender, **kwargs))
    except Exception as exc:
        if rule.strict:
            raise
        logger.error("predicate failed when=%s error=%s: forwarded", rule.when, type(exc).__name__)
        return True


def alias_of(sender: object, kwargs: Mapping[str, Any]) -> str:
    """The database of the write that the signal tells of; where it cannot be told, the one the outbox is in."""
    using = kwargs.get("using")
    if isinstance(using, str) and using in connections.settings:
        return using
    for candidate in (kwargs.get("instance"), sender):
        if isinstance(candidate, Model) and isinstance(candidate._state.db, str):
            # Not where it was read from: that may be a replica. A lazy object has the class of what it stands for.
            return router.db_for_write(candidate.__class__, instance=candidate)
    return DEFAULT_DB_ALIAS
