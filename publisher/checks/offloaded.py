"""System checks of the receivers that OFFLOAD takes: what each would miss in a consumer, as far as its source tells."""

from collections.abc import Iterator
from typing import NamedTuple

from django.apps import apps
from django.core.checks import CheckMessage, Warning

from publisher import conf
from publisher.catalogue.entries import Receiver
from publisher.catalogue.sending import sent_kwargs
from publisher.catalogue.signals import named
from publisher.offload.offloaded import Offloaded
from publisher.offload.reading import REQUEST, Findings, findings_of
from publisher.offload.surroundings import surroundings_of
from publisher.redaction import action_of


class Source(NamedTuple):
    """A receiver, what was found in its source, and the signals that it is connected to."""

    name: str
    receiver: Receiver
    found: Findings
    signals: tuple[str, ...]

    @property
    def is_before_write(self) -> bool:
        return any(".pre_" in signal for signal in self.signals)


def check_receiver(offloaded: Offloaded, signals: tuple[str, ...]) -> Iterator[CheckMessage]:
    if (receiver := offloaded.receiver) is not None:
        source = Source(offloaded.name, receiver, findings_of(receiver), signals)
        for check in CHECKS:
            yield from check(source)


def _check_returns(source: Source) -> Iterator[CheckMessage]:
    if lines := source.found.returns:
        hint = (
            "Whoever sends the signal gets None instead. If the value is needed, leave the receiver in process, or use "
            "the delivery 'ask'."
        )
        yield Warning(f"{source.name} returns a value{_at(lines)}.", hint=hint, id="publisher.W030")


def _check_changes_instance(source: Source) -> Iterator[CheckMessage]:
    if lines := source.found.mutates:
        effect = "is not saved" if source.is_before_write else "does not reach the code that saved it"
        hint = f"The receiver gets a copy of the instance, after the request: what it changes there {effect}."
        yield Warning(f"{source.name} changes the instance{_at(lines)}.", hint=hint, id="publisher.W031")


def _check_needs_request(source: Source) -> Iterator[CheckMessage]:
    found = source.found
    if lines := found.needs_request:
        hint = "Method, path, some headers, the client's address and the user's key are all that is sent of a request."
        yield Warning(f"{source.name} needs the real request{_at(lines)}.", hint=hint, id="publisher.W032")
    elif found.hands_on_kwargs and REQUEST not in found.parameters and _is_sent_a_request(source.signals):
        hint = (
            "The function that it calls may need more of the request than is sent: method, path, some headers, the "
            "client's address and the user's key."
        )
        message = f"{source.name} passes all its kwargs on, the request too{_at(found.hands_on_kwargs)}."
        yield Warning(message, hint=hint, id="publisher.W032")


def _check_looks_up(source: Source) -> Iterator[CheckMessage]:
    """A receiver of a `pre_` signal may look for the row as it was before the write."""
    if not source.is_before_write:
        return
    found = source.found
    hint = "The receiver runs after the transaction has committed: it finds the row as it was saved, or deleted."
    if found.looks_up:
        message = f"{source.name} looks into the database before a write{_at(found.looks_up)}."
        yield Warning(message, hint=hint, id="publisher.W036")
    elif lines := {*found.hands_on_instance, *found.hands_on_kwargs}:
        message = f"{source.name} passes the instance on before a write{_at(tuple(sorted(lines)))}."
        hint = f"The function that it calls may look into the database. {hint}"
        yield Warning(message, hint=hint, id="publisher.W036")


def _check_private_attributes(source: Source) -> Iterator[CheckMessage]:
    for name in source.found.private:
        if name != "_state" and not any(hasattr(model, name) for model in apps.get_models()):
            hint = "Only fields are sent. To see what a save changed, write a handler, and a rule with 'changes': True."
            message = f"{source.name} reads instance.{name}, which is no field."
            yield Warning(message, hint=hint, id="publisher.W038")


def _check_surroundings(source: Source) -> Iterator[CheckMessage]:
    if around := surroundings_of(source.receiver):
        hint = (
            "This belongs to a thread or to a request, and is empty in a consumer. Send its value with the signal, or "
            "leave the receiver in process."
        )
        message = f"{source.name} reads {around.read} (in {around.function})."
        yield Warning(message, hint=hint, id="publisher.W039")


def _check_parameters(source: Source) -> Iterator[CheckMessage]:
    # While REDACT cannot be read, everything is dropped, whatever its name. Another check reports that.
    redact = conf.redact() if conf.is_redact_read() else ()
    for name in source.found.parameters:
        if action_of(name, redact) != "keep":
            hint = (
                "It sounds like a secret, or REDACT names it. The call would fail: take it out, or 'keep' it in REDACT."
            )
            yield Warning(f"{source.name} asks for {name!r}, which is not sent.", hint=hint, id="publisher.W033")


CHECKS = (
    _check_returns,
    _check_changes_instance,
    _check_needs_request,
    _check_looks_up,
    _check_private_attributes,
    _check_surroundings,
    _check_parameters,
)


def _is_sent_a_request(signals: tuple[str, ...]) -> bool:
    known = filter(None, map(named, signals))
    return any(REQUEST in sent_kwargs(signal) for signal in known)


def _at(lines: tuple[int, ...]) -> str:
    return f" (line {', '.join(map(str, lines))})"
