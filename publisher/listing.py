"""The rows of `manage.py signals`: each signal with its receivers, where they run, and its routing keys."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.dispatch import Signal

from publisher import conf, signals
from publisher.catalogue.entries import entries, path_of
from publisher.catalogue.sending import sent_kwargs
from publisher.catalogue.signals import KnownSignal, catalogue
from publisher.checks.bulk import tells
from publisher.events.source import sender_label
from publisher.offload.stand_in import stand_in_of
from publisher.profile import last_times
from publisher.receivers import rules_by_signal, senders_of
from publisher.relations import is_through
from publisher.rules import Rule, may_decide
from publisher.stopwatch import IN_PROCESS, OFFLOADED, runs
from publisher.wire.routing import routing_key

WRITES = (pre_save, post_save, pre_delete, post_delete)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSignal:
    """One row of `manage.py signals --format json`.

    `kwargs` are those that the signal is sent with, as far as the source tells. `receivers` run in process. `ordered`
    are those of `offloaded` that get one event after the other. `took_ms` has the milliseconds that a call of each
    receiver took in the last profile.
    """

    signal: str
    kwargs: tuple[str, ...]
    receivers: tuple[str, ...]
    offloaded: tuple[str, ...]
    ordered: tuple[str, ...]
    forwarded: bool
    keys: tuple[str, ...]
    took_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One row of the table for people: the signal with its kwargs, and the rest in columns."""

    signal: tuple[str, ...]
    in_process: tuple[str, ...]
    offloaded: tuple[str, ...]
    forwarded_as: tuple[str, ...]


def listed_signals() -> list[ListedSignal]:
    rules = {id(known.signal): its_rules for known, its_rules in rules_by_signal(conf.rules())}
    times = last_times()
    return [_listed(known, rules.get(id(known.signal), ()), times) for known in catalogue()]


def _listed(known: KnownSignal, rules: tuple[Rule, ...], times: Mapping[tuple[str, str], float]) -> ListedSignal:
    receivers = tuple(receivers_of(known.signal, IN_PROCESS))
    offloaded = tuple(receivers_of(known.signal, OFFLOADED))
    keys = keys_of(known, rules)
    return ListedSignal(
        signal=known.name,
        kwargs=sent_kwargs(known),
        receivers=receivers,
        offloaded=offloaded,
        ordered=tuple(ordered_of(known.signal)),
        forwarded=bool(keys),
        keys=keys,
        took_ms={path: times[path, known.name] for path in (*receivers, *offloaded) if (path, known.name) in times},
    )


def at_a_glance(signal: ListedSignal) -> Glance:
    """The row for people: receivers with their times. Django's own are only counted, unless they were profiled."""

    def timed(path: str) -> str:
        return f"{path}  {signal.took_ms[path]:g} ms" if path in signal.took_ms else path

    shown = [path for path in signal.receivers if not path.startswith("django.") or path in signal.took_ms]
    others = len(signal.receivers) - len(shown)
    return Glance(
        signal=(signal.signal, *([f"  ({', '.join(signal.kwargs)})"] if signal.kwargs else [])),
        in_process=(*map(timed, shown), *([f"{others} of Django's own"] if others else [])),
        offloaded=tuple(timed(path) + ("  in order" if path in signal.ordered else "") for path in signal.offloaded),
        forwarded_as=signal.keys,
    )


def receivers_of(signal: Signal, where: str) -> Iterator[str]:
    """The dotted paths of the receivers that run in process, or of those that are offloaded."""
    for entry in entries(signal):
        if (receiver := entry.receiver) is not None and runs(entry) == where:
            yield path_of(receiver)


def ordered_of(signal: Signal) -> Iterator[str]:
    """The dotted paths of the offloaded receivers that get one event after the other."""
    for entry in entries(signal):
        if (stand_in := stand_in_of(entry.held)) is not None and stand_in.offloaded.entry.ordered:
            yield path_of(entry.held)


def is_sent_by(model: type[Model], known: KnownSignal) -> bool:
    """Whether this model sends the signal. A through model that Django made sends none of WRITES."""
    if known.signal is m2m_changed:
        return is_through(model)
    if known.module == signals.__name__:
        return tells(model)
    return not model._meta.auto_created or known.signal not in WRITES


def keys_of(known: KnownSignal, rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """The routing keys of the signal's events: one for each model, or a pattern where any sender may send it."""
    keys: dict[str, None] = {}
    for sender in senders_of(known, rules) if rules else ():
        if sender is not None and not is_sent_by(sender, known):
            continue
        label = sender_label(sender)
        for rule in may_decide(rules, label):
            # One that is no text is an error, and its events get the default key.
            own = rule.routing_key if isinstance(rule.routing_key, str) else None
            keys[own or routing_key(known.group, known.word, label or "#")] = None
    return tuple(keys)
