"""The event: one signal dispatch as a CloudEvent 1.0 in structured JSON.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from uuid_utils import UUID, uuid7

from publisher.wire import codec
from publisher.wire.errors import MalformedEvent
from publisher.wire.origin import Origin, current_origin

CONTENT_TYPE = "application/cloudevents+json"
NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]
# The types of attributes that JSON has. CloudEvents writes attributes of other types as text.
Extension = str | bool | int
# An Integer of CloudEvents has 32 bits.
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
# The types of the bridge's own extensions. In another program's event, these names may have values of any type.
OWN_EXTENSIONS: dict[str, msgspec.json.Decoder[Any]] = {
    **dict.fromkeys(("partitionkey", "traceparent", "correlationid", "causationid"), msgspec.json.Decoder(str | None)),
    "hops": msgspec.json.Decoder(Count),
}


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A CloudEvent. `time` is when the signal was sent; `routing_key` is set when the event is received.

    `traceparent` and `correlationid` are the trace and the id of the request that started it all.
    `causationid` is the id of the event whose handler sent the signal, and `hops` is how many such events came before.
    `extensions` are all other attributes, as those that SIGNAL_BRIDGE["EXTENSIONS"] adds: `{"tenant": "acme"}`.
    """

    specversion: Literal["1.0"]
    id: NonEmpty
    source: NonEmpty
    type: NonEmpty
    subject: str | None = None
    time: datetime | None = None
    datacontenttype: str | None = None
    partitionkey: str | None = None
    traceparent: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    hops: Count = 0
    data: Any = None
    routing_key: str = ""
    extensions: dict[str, Extension] = {}

    @property
    def sender(self) -> str | None:
        """The sender as `app_label.model_name`, `package.classname` or a text in lower case; None when it had none.

        Raises MalformedEvent where it is no text.
        """
        sender = self.data.get("sender") if isinstance(self.data, dict) else None
        if sender is None or isinstance(sender, str):
            return sender
        raise MalformedEvent(f"data.sender is no text, but a {type(sender).__name__}")

    @property
    def sender_instance(self) -> Any:
        """The sender, decoded, where it was an instance of a model, or text; else None. Raises MalformedEvent."""
        sent = self.data.get("sender_instance") if isinstance(self.data, dict) else None
        return None if sent is None else self._decoded(sent, "sender_instance")

    @property
    def kwargs(self) -> dict[str, Any]:
        """What the signal was sent with, decoded to the types it was sent in. Empty for a foreign event.

        Raises MalformedEvent where a value is not of the type that the event says it is.
        """
        if not isinstance(self.data, dict) or not isinstance(self.data.get("kwargs"), dict):
            return {}
        # One by one: together, kwargs named `model`, `pk` and `fields` would be decoded as an instance.
        return {name: self._decoded(plain, f"kwargs.{name}") for name, plain in self.data["kwargs"].items()}

    def _decoded(self, plain: Any, path: str) -> Any:
        try:
            return codec.decode(plain, self.data.get("types") or {}, path)
        except Exception as exc:
            # A decoder may raise anything, since the message may be wrong.
            raise MalformedEvent(f"{path} cannot be decoded: {type(exc).__name__}: {exc}") from exc


class _Key(msgspec.Struct):
    partitionkey: str | None = None


def _as_base(value: object) -> object:
    """The plain value of a subclass of str, int or float, which an encoder may have left.

    For a subclass of datetime, its text: `datetime.now()` returns one while freezegun has frozen the time.
    """
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    for base in (str, int, float):
        if isinstance(value, base):
            return base.__str__(value) if base is str else base(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


_encoder = msgspec.json.Encoder(enc_hook=_as_base)
_key_decoder = msgspec.json.Decoder(_Key)
_decoder = msgspec.json.Decoder(Event)
_attributes_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_extension_decoder: msgspec.json.Decoder[Extension] = msgspec.json.Decoder(Extension)
# The attributes that Event has a field for. Its other two fields are no attributes of a CloudEvent.
ATTRIBUTES = frozenset(Event.__struct_fields__) - {"routing_key", "extensions"}


class Moment(msgspec.Struct, frozen=True):
    """When an event was made, with its id, what caused it, and its extensions."""

    id: UUID | str
    time: datetime
    origin: Origin
    extensions: dict[str, Extension] = {}


def moment_of_now(extensions: dict[str, Extension] | None = None) -> Moment:
    """Now, with a new uuid7, caused by the event that is being handled, if any."""
    return Moment(uuid7(), datetime.now(UTC), current_origin(), extensions or {})


def moment_of(event: Event) -> Moment:
    """The moment from which the event was made."""
    origin = Origin(event.causationid, event.hops, event.correlationid, event.traceparent)
    return Moment(event.id, event.time or datetime.now(UTC), origin, event.extensions)


def new_event(
    *,
    source: str,
    type: str,
    data: dict[str, Any],
    subject: str | None,
    partitionkey: str | None,
    moment: Moment | None = None,
) -> Event:
    """Make an event of this moment; by default, of now."""
    moment = moment or moment_of_now()
    causationid, hops, correlationid, traceparent, _ = moment.origin
    return Event(
        specversion="1.0",
        id=str(moment.id),
        source=source,
        type=type,
        subject=subject,
        time=moment.time,
        datacontenttype="application/json",
        partitionkey=partitionkey,
        traceparent=traceparent,
        correlationid=correlationid,
        causationid=causationid,
        hops=hops,
        data=data,
        extensions=moment.extensions,
    )


def encode_event(event: Event) -> bytes:
    """The message body. Raises ValueError or TypeError for data that is not plain JSON."""
    if not event.extensions:
        return _encoder.encode(event)
    # Extensions stand beside the other attributes, and not in an object of their own.
    own = _encoder.encode(msgspec.structs.replace(event, extensions={}))
    return own[:-1] + b"," + _encoder.encode(event.extensions)[1:]


def decode_event(body: bytes, routing_key: str = "") -> Event:
    """The event in a message body. Raises MalformedEvent, with the reason, if the body is not a CloudEvent."""
    try:
        event = _decoder.decode(body)
    except msgspec.ValidationError:
        event = _with_extensions(body)
    except (ValueError, RecursionError) as exc:
        raise MalformedEvent(f"not a CloudEvent: {exc}") from exc
    return msgspec.structs.replace(event, routing_key=routing_key)


def _with_extensions(body: bytes) -> Event:
    """Decode an event with attributes that Event has no field for. Extensions of a wrong type are left out."""
    try:
        attributes = _attributes_decoder.decode(body)
        usable = {name: value for name, value in attributes.items() if _is_usable(name, value)}
        own = (b'"%b":%b' % (name.encode(), value) for name, value in usable.items() if name in ATTRIBUTES)
        event = _decoder.decode(b"{%b}" % b",".join(own))
    except (ValueError, RecursionError) as exc:
        raise MalformedEvent(f"not a CloudEvent: {exc}") from exc
    others = {name: _extension_decoder.decode(value) for name, value in usable.items() if name not in ATTRIBUTES}
    return msgspec.structs.replace(event, extensions=others)


def _is_usable(name: str, value: msgspec.Raw) -> bool:
    decoder = OWN_EXTENSIONS.get(name, None if name in ATTRIBUTES else _extension_decoder)
    try:
        if decoder is not None:
            decoder.decode(value)
    except msgspec.ValidationError:
        return False
    return True


def partitionkey_of(body: bytes) -> str:
    """The partitionkey in a message body; empty if there is none, or the body is no event."""
    try:
        return _key_decoder.decode(body).partitionkey or ""
    except (ValueError, RecursionError):
        return ""


def milliseconds_of(event_id: str) -> int | None:
    """When a uuid7 was made, in milliseconds since the epoch; None for another kind of id."""
    try:
        made = UUID(event_id)
        return int(made.timestamp) if made.version == 7 else None
    except ValueError:
        return None


def seconds_of(event_id: str) -> int | None:
    """When a uuid7 was made, in seconds since the epoch, as in AMQP's timestamps; None for another kind of id."""
    milliseconds = milliseconds_of(event_id)
    return None if milliseconds is None else milliseconds // 1000
