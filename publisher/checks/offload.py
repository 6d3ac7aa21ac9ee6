"""System checks of OFFLOAD: entries that are wrong, name no receiver, or name one that cannot leave the process."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning

from publisher import conf
from publisher.catalogue.entries import Receiver, entries, path_of
from publisher.catalogue.signals import catalogue
from publisher.checks.offloaded import check_receiver
from publisher.hints import near
from publisher.offload.offload import all_offloaded
from publisher.offload.offloaded import (
    BrokenModule,
    Offloaded,
    can_be_offloaded,
    is_lambda,
    is_named_by,
    means,
    object_at,
    unbound,
)
from publisher.offload.stand_in import stand_in_of
from publisher.offload_entry import OPTIONS, OffloadEntry, offload_entry_from
from publisher.rule_entry import WrongValue
from publisher.rules import is_glob

HINT = (
    "Make it a list of receivers' dotted paths, globs over them, or dicts as {'receiver': 'shop.receivers.send', "
    "'ordered': True}: `manage.py signals` shows the receivers."
)
MEND_HINT = "Mend the module, or take the entry out of SIGNAL_BRIDGE['OFFLOAD']."


class Connected(NamedTuple):
    """A receiver of a signal. `offloaded` is None unless OFFLOAD has taken it."""

    path: str
    receiver: Receiver
    signal: str
    can_be_offloaded: bool
    offloaded: Offloaded | None


def check_offload(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """What is wrong with each entry, and then with each receiver that was taken."""
    value = conf.setting("OFFLOAD")
    if not isinstance(value, list | tuple):
        return [Error(f"SIGNAL_BRIDGE['OFFLOAD'] is {value!r}, not a list.", hint=HINT, id="publisher.E030")]
    if not value:
        return []
    connected = list(connected_receivers())
    return [
        *_check_installed(),
        *(message for index, entry in enumerate(value) for message in _check_form(entry, index)),
        *(message for entry in conf.offload() for message in _check_entry(entry, connected)),
        *(message for each in all_offloaded() for message in check_receiver(each, _signals_of(each, connected))),
    ]


def connected_receivers() -> Iterator[Connected]:
    """The receivers of every signal, but for those of the bridge itself."""
    for known in catalogue():
        for entry in entries(known.signal):
            stand_in = stand_in_of(entry.held)
            receiver = stand_in.receiver if stand_in else entry.receiver
            if receiver is not None and not entry.is_the_bridges:
                offloaded = stand_in.offloaded if stand_in else None
                yield Connected(path_of(receiver), receiver, known.name, can_be_offloaded(known.signal), offloaded)


def _signals_of(offloaded: Offloaded, connected: list[Connected]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.signal for each in connected if each.offloaded is offloaded))


def _check_installed() -> Iterator[CheckMessage]:
    if not apps.is_installed("consumers"):
        yield Warning(
            "SIGNAL_BRIDGE['OFFLOAD'] takes receivers out of requests, but 'consumers' is not installed to run them.",
            hint="Add 'consumers' to INSTALLED_APPS, at least in the settings of the processes that consume.",
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
    if not isinstance(entry, Mapping):
        return HINT
    unknown = [key for key in entry if key not in OPTIONS]
    if unknown:
        return near(str(unknown[0]), OPTIONS)
    is_wrong_together = not isinstance(exc, WrongValue) and "receiver" in entry
    return "Leave 'ordered' or 'concurrency' out." if is_wrong_together else HINT


def _check_entry(entry: OffloadEntry, connected: list[Connected]) -> Iterator[CheckMessage]:
    where = f"SIGNAL_BRIDGE['OFFLOAD']: {entry.receiver!r}"
    target = None if entry.is_glob else _target(entry.receiver)
    meant = [each for each in connected if means(entry, each.path) or is_named_by(target, each.receiver)]
    lambdas = [each for each in meant if is_lambda(unbound(each.receiver))]
    if any(each.offloaded for each in meant):
        if entry.has_options and not any(each.offloaded.entry == entry for each in meant if each.offloaded):
            yield Warning(
                f"{where} has no effect: an earlier entry names the same receivers, and the first one decides.",
                hint="Write this entry before the earlier one.",
                id="publisher.W035",
            )
        if lambdas:
            yield Warning(
                f"{where} leaves a lambda in process: {lambdas[0].path}.",
                hint="Write the lambda as a function with a name, or name the other receivers one by one.",
                id="publisher.W034",
            )
    elif lambdas:
        hint = "Write it as a function with a name: a consumer could not tell one lambda from another."
        yield Error(f"{where} is a lambda.", hint=hint, id="publisher.E032")
    elif meant:
        hint = (
            "Take the entry out: that signal is sent for each row that is read, or when there may be no outbox yet, "
            "or its receivers have to act at once."
        )
        which = f" ({meant[0].path})" if entry.is_glob else ""
        yield Error(f"{where}{which} cannot be offloaded from {meant[0].signal}.", hint=hint, id="publisher.E033")
    else:
        yield _missing(entry.receiver, where, connected)


def _target(path: str) -> object:
    try:
        return object_at(path)
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
