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
from publisher.events.body import Encoded
from publisher.events.dispatch import encoded_from
from publisher.events.rows import Row, row_of
from publisher.events.snapshots import Template, template_of
from publisher.events.source import Source, sender_label
from publisher.incidental import harmless, is_incidental, not_written
from publisher.outbox.writing import forbid_commit, record
from publisher.rules import Rule
from publisher.wire.errors import EncoderFailed, NotEncodable, RoutingKeyNotFormed

logger = logging.getLogger(__name__)

MOST_KINDS = 4096
# How the events of one sender are made under one rule. Without a template, each event is encoded at once.
Way = tuple[Source, Template | None]


class Ways:
    """The rules of one signal that take a sender, each with what its events have in common. Remembers them by class."""

    def __init__(self, known: KnownSignal, rules: tuple[Rule, ...]) -> None:
        self._known = known
        self._rules = rules
        self._service = conf.service()
        self._by_kind: dict[type | None, tuple[Way, ...]] = {}

    def of(self, sender: object) -> tuple[Way, ...]:
        kind = sender if sender is None or isinstance(sender, type) else sender.__class__
        found = self._by_kind.get(kind)
        if found is None:
            found = self._made(sender)
            # Bounded, since a project may make classes in its requests.
            if len(self._by_kind) >= MOST_KINDS:
                self._by_kind.clear()
            # Not for a sender that is text: all texts are of one class, but different rules take them.
            if not isinstance(sender, str):
                self._by_kind[kind] = found
        return found

    def _made(self, sender: object) -> tuple[Way, ...]:
        label, is_text = sender_label(sender), isinstance(sender, str)
        rules = [rule for rule in self._rules if rule.takes_sender(label, is_text=is_text)]
        sources = [Source(self._known, sender, rule, self._service) for rule in rules]
        return tuple((source, template_of(source, sender)) for source in sources)


def forwarder(known: KnownSignal, rules: tuple[Rule, ...]) -> Callable[..., Any]:
    """The function that is called with each dispatch of the signal. It takes `**named`: kwargs may have any name."""
    ways = Ways(known, rules)
    # A kwarg `raw` of other signals than those of models may mean something else.
    may_be_fixture = isinstance(known.signal, ModelSignal)

    def forward(**named: Any) -> Any:
        del named["signal"]
        sender = named.pop("sender")
        if may_be_fixture and named.get("raw") is True and not conf.forwards_raw():
            return None
        try:
            candidates = ways.of(sender)
        except Exception as exc:
            # The sender is a lazy object that cannot be evaluated, or of a class that cannot be hashed.
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
        return without_fixtures(forward)
    if is_incidental(known):
        return harmless(known, forward, is_strict=any(rule.strict for rule in rules))
    return forward


def without_fixtures(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Leaves out the `m2m_changed` of fixtures. Before Django 6.1, that signal has no `raw`: then each that is sent
    while a fixture is loaded counts as the fixture's.
    """

    def forward_others(**named: Any) -> Any:
        is_fixture = "raw" not in named and is_loading()
        return None if is_fixture and not conf.forwards_raw() else forward(**named)

    return forward_others


def delivered(source: Source, sender: object, kwargs: dict[str, Any]) -> Any:
    """Encode the event and send it the way its rule says. Returns what the sender gets: None, but for "ask"."""
    rule = source.rule
    if rule.changes:
        kwargs = with_changes(kwargs)
    encoded = encoded_or_counted(source, sender, kwargs)
    if encoded is None:
        return rule.on_timeout if rule.delivery == "ask" else None
    return DELIVERIES[rule.delivery](encoded, rule, alias_of(sender, kwargs))


def written(source: Source, template: Template, sender: object, kwargs: dict[str, Any]) -> None:
    """Write the event to the outbox: as a snapshot that is encoded just before COMMIT where the template allows it."""
    using, rule = alias_of(sender, kwargs), source.rule
    snapshot = template.snapshot(kwargs)
    if snapshot is not None:
        record_row(snapshot.row, source.name, using)
    elif (encoded := encoded_or_counted(source, sender, kwargs)) is not None:
        template.learn(kwargs, encoded)
        to_outbox(encoded, rule, using)


def with_changes(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The kwargs of a `post_save`, with `changes` added where they are known."""
    instance = kwargs.get("instance")
    changed = changes_of(instance, kwargs.get("update_fields")) if isinstance(instance, Model) else None
    return kwargs if changed is None else {**kwargs, "changes": changed}


def encoded_or_counted(source: Source, sender: object, kwargs: Mapping[str, Any]) -> Encoded | None:
    """None for an event that cannot be encoded, which is counted and logged. Where the rule is strict, this raises."""
    try:
        return encoded_from(source, sender, kwargs)
    except Exception as exc:
        if source.rule.fails_sender:
            raise
        if counters.is_news(number := counters.count(counters.ENCODER_FAILED, source.name)):
            # Of other errors, only the class is logged: their text may hold a value that must not be logged.
            is_ours = isinstance(exc, EncoderFailed | NotEncodable | RoutingKeyNotFormed)
            error = exc if is_ours else type(exc).__name__
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
    """Whether Django or pytest-django refused the database to a test that is not marked to use it."""
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
    """Ask a handler and return its answer. Not only after the commit: the answer may decide whether to commit."""
    event = encoded.event
    return ask.ask(
        event.id, event.type, encoded.routing_key, encoded.body, seconds=rule.timeout, default=rule.on_timeout
    )


DELIVERIES: Mapping[str, Callable[[Encoded, Rule, str], Any]] = {
    "outbox": to_outbox, "direct": to_broker, "ask": to_handler,
}  # fmt: skip


def is_wanted(rule: Rule, sender: object, kwargs: Mapping[str, Any]) -> bool:
    """What the rule's `when` says. If that raises, a strict rule raises too. Another rule forwards the event, since
    one event too many is better than one too few.
    """
    try:
        return bool(import_string(rule.when or "")(sender=sender, **kwargs))
    except Exception as exc:
        if rule.strict:
            raise
        logger.error("predicate failed when=%s error=%s: forwarded all the same", rule.when, type(exc).__name__)
        return True


def alias_of(sender: object, kwargs: Mapping[str, Any]) -> str:
    """The database of the write that the signal is about, to which its event is written too; else the default one."""
    using = kwargs.get("using")
    if isinstance(using, str) and using in connections.settings:
        return using
    for candidate in (kwargs.get("instance"), sender):
        if isinstance(candidate, Model) and isinstance(candidate._state.db, str):
            # Not `_state.db`, which may be a replica that the row was read from. `__class__` sees through lazy objects.
            return router.db_for_write(candidate.__class__, instance=candidate)
    return DEFAULT_DB_ALIAS
