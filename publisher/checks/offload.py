"""System checks of OFFLOAD: what is not there, what cannot leave the process, and what would miss something outside."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning

from publisher import conf
from publisher.catalogue.entries import Receiver, entries, path_of
from publisher.catalogue.sending import sent_kwargs
from publisher.catalogue.signals import catalogue, named
from publisher.hints import near
from publisher.offload.offload import all_offloaded
from publisher.offload.offloaded import BrokenModule, Offloaded, can_be_offloaded, is_lambda, means, object_at, unbound
from publisher.offload.reading import REQUEST, findings_of
from publisher.offload.stand_in import stand_in_of
from publisher.offload.surroundings import surroundings_of
from publisher.offload_entry import OPTIONS, OffloadEntry, offload_entry_from
from publisher.redaction import action_of
from publisher.rule_entry import WrongValue, redact_from
from publisher.rules import Redact, is_glob

HINT = (
    "Make it a list of receivers' dotted paths, globs over them, or dicts as {'receiver': 'shop.receivers.send', "
    "'ordered': True}: `manage.py signals` shows the receivers."
)
MEND_HINT = "Mend the module, or take the entry out of SIGNAL_BRIDGE['OFFLOAD']."


class Connected(NamedTuple):
    """A receiver as it is connected now; `offloaded` when a stand-in has its place."""

    path: str
    receiver: Receiver
    signal: str
    can_be_offloaded: bool
    offloaded: Offloaded | None


def check_offload(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """What is wrong with each entry, then what each receiver that was taken would miss."""
    value = conf.setting("OFFLOAD")
    if not isinstance(value, list | tuple):
        return [Error(f"SIGNAL_BRIDGE['OFFLOAD'] is {value!r}.", hint=HINT, id="publisher.E030")]
    if not value:
        return []
    connected = list(connected_receivers())
    return [
        *_check_installed(),
        *(message for index, entry in enumerate(value) for message in _check_form(entry, index)),
        *(message for entry in conf.offload() for message in _check_entry(entry, connected)),
        *(message for offloaded in all_offloaded() for message in _check_receiver(offloaded, connected)),
    ]


def connected_receivers() -> Iterator[Connected]:
    """Those of every signal, without the bridge's own."""
    for known in catalogue():
        for entry in entries(known.signal):
            stand_in = stand_in_of(entry.held)
            receiver = stand_in.receiver if stand_in else entry.receiver
            if receiver is not None and not entry.is_the_bridges:
                offloaded = stand_in.offloaded if stand_in else None
                yield Connected(path_of(receiver), receiver, known.name, can_be_offloaded(known.signal), offloaded)


def _check_installed() -> Iterator[CheckMessage]:
    if not apps.is_installed("consumers"):
        yield Warning(
            "SIGNAL_BRIDGE['OFFLOAD'] takes receivers out of requests, and 'consumers' is not installed to run them.",
            hint="Add 'consumers' to INSTALLED_APPS, or to those of the project's processes that consume.",
            id="publisher.W037",
        )


def _check_form(entry: object, index: int) -> Iterator[CheckMessage]:
    try:
        offload_entry_from(entry)
    except (ValueError, TypeError) as exc:
        yield Error(f"SIGNAL_BRIDGE['OFFLOAD'][{index}]: {exc}.", hint=_hint(entry, exc), id="publisher.E035")


def _hint(entry: object, exc: Exception) -> str:
    if isinstance(exc, WrongValue) and exc.key != "receiver":
        return f"Give {OPTIONS[exc.key][1]}, or leave {exc.key!r} out."
    unknown = [key for key in entry if key not in OPTIONS] if isinstance(entry, Mapping) else []
    return near(str(unknown[0]), OPTIONS) if unknown else HINT


def _check_entry(entry: OffloadEntry, connected: list[Connected]) -> Iterator[CheckMessage]:
    where = f"SIGNAL_BRIDGE['OFFLOAD']: {entry.receiver!r}"
    meant = [each for each in connected if _is_meant(entry, each)]
    lambdas = [each for each in meant if is_lambda(unbound(each.receiver))]
    if any(each.offloaded for each in meant):
        if entry.has_options and not any(each.offloaded.entry == entry for each in meant if each.offloaded):
            yield Warning(
                f"{where} is run as an earlier entry says: the first that means a receiver decides.",
                hint="Write it before the others.",
                id="publisher.W035",
            )
        if lambdas:
            yield Warning(
                f"{where} leaves a lambda in process: {lambdas[0].path}.",
                hint="Write it as a function with a name, or name the receivers one by one.",
                id="publisher.W034",
            )
    elif lambdas:
        hint = "Write it as a function with a name: a consumer could not tell one lambda from another."
        yield Error(f"{where} is a lambda.", hint=hint, id="publisher.E032")
    elif meant:
        hint = "Such a signal is sent per row read, or before there is an outbox, or has to be answered there and then."
        which = f" ({meant[0].path})" if entry.is_glob else ""
        yield Error(f"{where}{which} cannot be offloaded from {meant[0].signal}.", hint=hint, id="publisher.E033")
    else:
        yield _missing(entry.receiver, where, connected)


def _is_meant(entry: OffloadEntry, connected: Connected) -> bool:
    if means(entry, connected.path):
        return True
    if entry.is_glob:
        return False
    if connected.offloaded:
        return connected.offloaded.path == entry.receiver
    return _target(entry.receiver) is unbound(connected.receiver)


def _target(entry: str) -> object:
    try:
        return unbound(object_at(entry))
    except Exception:
        return None


def _missing(entry: str, where: str, connected: list[Connected]) -> CheckMessage:
    hint = near(entry, dict.fromkeys(each.path for each in connected))
    try:
        found = None if is_glob(entry) else object_at(entry)
        reason = ""
    except BrokenModule as exc:
        return Error(f"{where}: {exc}.", hint=MEND_HINT, id="publisher.E031")
    except Exception as exc:
        found, reason = None, f": {type(exc).__name__}: {exc}"
    if is_lambda(found):
        return Error(f"{where} is a lambda.", hint="Write it as a function with a name.", id="publisher.E032")
    if found is not None:
        hint = f"Connect it when the app is ready, in AppConfig.ready(). {hint}"
        return Error(f"{where} is connected to no signal.", hint=hint, id="publisher.E034")
    return Error(f"{where}: there is no such receiver{reason}.", hint=hint, id="publisher.E031")


def _check_receiver(offloaded: Offloaded, connected: list[Connected]) -> Iterator[CheckMessage]:
    receiver = offloaded.receiver
    if receiver is None:
        return
    found = findings_of(receiver)
    signals = dict.fromkeys(each.signal for each in connected if each.offloaded is offloaded)
    is_before = any(".pre_" in signal for signal in signals)
    if found.returns:
        hint = "Whoever sends the signal gets None. If that matters, leave it in process, or ask: delivery 'ask'."
        yield Warning(f"{offloaded.name} returns a value{_at(found.returns)}.", hint=hint, id="publisher.W030")
    if found.mutates:
        hint = "It gets an instance of its own, after the request" + (
            ": what it changes there is not saved." if is_before else ": whoever saved does not see the change."
        )
        yield Warning(f"{offloaded.name} changes the instance{_at(found.mutates)}.", hint=hint, id="publisher.W031")
    if found.needs_request:
        hint = "Method, path, some headers, the client's address and the user's key are all that leaves of a request."
        message = f"{offloaded.name} needs the real request{_at(found.needs_request)}."
        yield Warning(message, hint=hint, id="publisher.W032")
    elif found.hands_on_kwargs and REQUEST not in found.parameters and _is_sent_a_request(signals):
        hint = "What it calls may need more than leaves of a request: method, path, some headers, address, user's key."
        message = f"{offloaded.name} hands all it gets on, the request too{_at(found.hands_on_kwargs)}."
        yield Warning(message, hint=hint, id="publisher.W032")
    hint = "It runs after the transaction committed: a row is as it was saved then, not as it had been; or gone."
    if found.looks_up and is_before:
        message = f"{offloaded.name} looks into the database before a write{_at(found.looks_up)}."
        yield Warning(message, hint=hint, id="publisher.W036")
    elif is_before and (lines := (*found.hands_on_instance, *found.hands_on_kwargs)):
        message = f"{offloaded.name} hands the instance on before a write{_at(tuple(sorted(set(lines))))}."
        yield Warning(message, hint=f"What it calls may look into the database. {hint}", id="publisher.W036")
    for name in found.private:
        if name == "_state" or any(hasattr(model, name) for model in apps.get_models()):
            continue
        hint = "Only its fields travel. Send what changed with the 'changes' of a rule, to a handler."
        message = f"{offloaded.name} looks for instance.{name}, which is no field."
        yield Warning(message, hint=hint, id="publisher.W038")
    if around := surroundings_of(receiver):
        hint = "A consumer has no request: nothing is there. Send it with the signal, or leave the receiver in process."
        message = f"{offloaded.name} reads {around.read} (in {around.function})."
        yield Warning(message, hint=hint, id="publisher.W039")
    for name in found.parameters:
        if action_of(name, _redact()) == "keep":
            continue
        hint = "What sounds like a secret, or REDACT names, does not leave: the call would fail for want of it."
        yield Warning(f"{offloaded.name} asks for {name!r}.", hint=hint, id="publisher.W033")


def _is_sent_a_request(signals: Iterable[str]) -> bool:
    known = filter(None, map(named, signals))
    return any(REQUEST in sent_kwargs(signal) for signal in known)


def _redact() -> Redact:
    """What cannot be read has an error of its own: that all is dropped until then is not the receivers' fault."""
    try:
        return redact_from(conf.setting("REDACT"))
    except (TypeError, ValueError):
        return ()


def _at(lines: tuple[int, ...]) -> str:
    return f" (line {', '.join(map(str, lines))})"
