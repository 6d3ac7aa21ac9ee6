"""Connects a receiver to each signal that a rule forwards, and to no other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.signals import request_finished
from django.db.models import Model
from django.db.models.signals import ModelSignal, m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.dispatch import Signal

from publisher import atomicity, conf
from publisher.catalogue.signals import KnownSignal, Uid, taken_by
from publisher.rules import Rule, first_match, is_glob
from publisher.signals import bulk_created, bulk_updated, queryset_deleted, queryset_updated

# Imported only if a rule needs it, so that a project without such rules starts sooner.
CHANGES = "publisher.changes.tracking"
NEWCOMERS = "publisher.catalogue.newcomers"
SAVE_SIGNALS = (pre_save, post_save)
OF_ROWS = (*SAVE_SIGNALS, pre_delete, post_delete)
# For these signals, the bridge's receiver is called before the others. Another receiver may save the row again, and the
# event of that save must come second; or it may raise, and the caller may catch that and commit. A receiver of
# `request_finished` closes the database connections.
HEARD_FIRST = (
    post_save, post_delete, m2m_changed, bulk_created, bulk_updated, queryset_updated, queryset_deleted,
    request_finished,
)  # fmt: skip

_connected: list[tuple[Signal, object, Uid]] = []


def connect() -> None:
    """Connect what the current rules ask for, instead of what was connected before."""
    disconnect()
    rules = conf.rules()
    if any(rule.delivery == "direct" for rule in rules):
        # Imports pika. Not with the first event: that would make a request slow, and a fork might interrupt the import.
        import_module("publisher.direct_thread")
    taken = rules_by_signal(rules)
    if any(rule.changes for rule in rules):
        track_changes(taken)
    for known, its_rules in taken:
        connect_signal(known, its_rules)
    # All of Django's own signals exist already.
    globs = tuple(rule.signal for rule in rules if is_glob(rule.signal) and not rule.signal.startswith("django."))
    if globs:
        import_module(NEWCOMERS).watch(lambda known: welcome(known, rules), globs)


def track_changes(taken: list[tuple[KnownSignal, tuple[Rule, ...]]]) -> None:
    """Have saves remember the old values. To be called before saves are made atomic, so that the transaction includes
    the reading of these values.
    """
    track = import_module(CHANGES).track
    for known, rules in taken:
        if known.signal is post_save:
            for model in senders_of(known, tuple(rule for rule in rules if rule.changes)):
                track(model)


def connect_signal(known: KnownSignal, rules: tuple[Rule, ...]) -> Callable[..., None]:
    """Connect a receiver to the signal's senders, and return it."""
    forward = forwarder(known, rules)
    uid = Uid(known.name)
    for sender in senders_of(known, rules):
        known.signal.connect(forward, sender=sender, weak=False, dispatch_uid=uid)
        _connected.append((known.signal, sender, uid))
        if sender is not None and known.signal in SAVE_SIGNALS and _are_atomic(sender, known.signal, rules):
            atomicity.make_saves_atomic(sender)
    if known.signal is m2m_changed:
        atomicity.watch_loading()
    if known.signal in HEARD_FIRST:
        _call_first(known.signal, uid)
    return forward


def _are_atomic(model: type[Model], signal: Signal, rules: tuple[Rule, ...]) -> bool:
    """Whether a save and its events must be one transaction.

    They need not be for questions, nor for direct events of `post_save`, since the row has been written by then.
    """
    its_rules = [rule for rule in rules if rule.takes_sender(model._meta.label_lower)]
    return any(
        rule.delivery == "outbox" or rule.changes or (rule.delivery == "direct" and signal is pre_save)
        for rule in its_rules
    )


def _call_first(signal: Signal, uid: Uid) -> None:
    """Have the receiver that is connected under this id called before the others."""
    with signal.lock:
        signal.receivers.sort(key=lambda entry: entry[0][0] != uid)
        signal.sender_receivers_cache.clear()


def welcome(known: KnownSignal, rules: tuple[Rule, ...]) -> Callable[..., None] | None:
    """Connect a signal that was defined later. None where no rule takes it, or it is connected already."""
    its_rules = tuple(rule for rule in rules if is_glob(rule.signal) and rule.takes_signal(known.name))
    if not its_rules or any(signal is known.signal for signal, _, _ in _connected):
        return None
    return connect_signal(known, its_rules)


def disconnect() -> None:
    if NEWCOMERS in sys.modules:
        import_module(NEWCOMERS).stop()
    for signal, sender, uid in _connected:
        signal.disconnect(sender=sender, dispatch_uid=uid)
    _connected.clear()
    atomicity.restore_saves()
    if CHANGES in sys.modules:
        import_module(CHANGES).restore()


def is_connected(signal: Signal, sender: object) -> bool:
    """Whether this signal is forwarded when this sender sends it."""
    return any(known is signal and one in (None, sender) for known, one, _ in _connected)


def rules_by_signal(rules: tuple[Rule, ...]) -> list[tuple[KnownSignal, tuple[Rule, ...]]]:
    """Each signal that rules take, with those rules in their order."""
    taken: dict[int, tuple[KnownSignal, list[Rule]]] = {}
    for rule in rules:
        for known in taken_by(rule):
            taken.setdefault(id(known.signal), (known, []))[1].append(rule)
    return [(known, tuple(its_rules)) for known, its_rules in taken.values()]


def senders_of(known: KnownSignal, rules: tuple[Rule, ...]) -> Iterator[type[Model] | None]:
    """The senders to connect to: for a signal of models, the models that a rule takes; else None, for any sender.

    For models, it is never None. Django deletes rows without loading them only if a model's delete signals have no
    receiver, so deleting models that are not forwarded would become slow. Models that Django made for relations are
    left out, since they send none of the signals about rows.
    """
    if not isinstance(known.signal, ModelSignal):
        yield None
        return
    for model in apps.get_models(include_auto_created=True):
        if model._meta.auto_created and known.signal in OF_ROWS:
            continue
        if first_match(rules, model._meta.label_lower):
            yield model


def forwarder(known: KnownSignal, rules: tuple[Rule, ...]) -> Callable[..., Any]:
    """The receiver. It imports what it needs with the first event, so that a process without events starts sooner."""
    made: list[Callable[..., Any]] = []

    def forward(**named: Any) -> Any:
        if not made:
            made.append(import_module("publisher.forwarding").forwarder(known, rules))
        return made[0](**named)

    return forward
