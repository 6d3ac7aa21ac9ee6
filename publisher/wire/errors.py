"""The errors of this package. Each message says what to do."""

from collections.abc import Collection, Sequence
from typing import Any


class WireError(Exception):
    """Root of the errors that leave this package."""


class MalformedEvent(WireError):
    """The message is not a CloudEvent in structured JSON. Publish events with the bridge or a CloudEvents SDK."""


class NotEncodable(WireError):
    """A value has no encoder. Send plain values, or register an encoder for its type."""

    def __init__(self, path: str, kind: type, signal: str = "") -> None:
        super().__init__(path, kind, signal)
        self.path = path
        self.kind = kind
        self.signal = signal

    def __str__(self) -> str:
        where = f"{self.signal}: {self.path}" if self.signal else self.path
        return f"{where} is a {self.kind.__module__}.{self.kind.__qualname__}, which has no encoder"


class EncoderFailed(WireError):
    """An encoder raised, so the event was not sent. Mend the encoder of this type."""

    def __init__(self, signal: str, path: str, kind: type, cause: BaseException) -> None:
        super().__init__(signal, path, kind)
        self.signal = signal
        self.path = path
        self.kind = kind
        self.cause = type(cause).__name__

    def __str__(self) -> str:
        # Without the text of the cause, which may contain a value that must not leave the process.
        kind = f"{self.kind.__module__}.{self.kind.__qualname__}"
        return f"signal={self.signal} path={self.path} type={kind}: its encoder raised {self.cause}"


class RoutingKeyNotFormed(WireError):
    """A rule's `routing_key` names a value that the event lacks. Mend the rule, or send the signal with that value.

    `names` are those of the event's kwargs, among which is no secret.
    """

    def __init__(self, signal: str, template: str, names: Collection[str], cause: BaseException) -> None:
        super().__init__(signal, template, names)
        self.signal = signal
        self.template = template
        self.names = tuple(names)
        self.cause = f"{type(cause).__name__}: {cause}"

    def __str__(self) -> str:
        names = ", ".join(self.names) or "none"
        return (
            f"signal={self.signal} routing_key={self.template!r}: cannot be formed ({self.cause}). The event has these "
            f"kwargs: {names}. Send the signal with what the rule names, or mend the rule."
        )


class BrokerUnavailable(WireError):
    """The broker cannot be reached, or went away. Start it, or mend BROKER_URL; connecting again may help."""


class AcknowledgementOverdue(BrokerUnavailable):
    """A message was not acknowledged for longer than the broker's `consumer_timeout`. The broker sends it again."""


class MessageRefused(WireError):
    """The broker will never take one of these messages: it is too large, or one of its properties is wrong.

    `tokens` stand for the messages that were in flight: one of them was refused, the others must be sent again.
    """

    def __init__(self, reason: str, tokens: Sequence[Any]) -> None:
        super().__init__(reason)
        self.tokens = tokens


class BrokerRefused(WireError):
    """The broker said no (credentials, vhost, permissions, or a queue with other arguments). A person must mend it."""


class RedactedValue(WireError):
    """The sender masked or hashed this field: it must not be saved. Save with `update_fields` that leave it out."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)
