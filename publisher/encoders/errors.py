"""Encodes exceptions: type and text, and the traceback if the rule asks for it."""

import traceback
from types import FrameType, TracebackType
from typing import Any

from publisher.encoders.values import dotted
from publisher.scrubbing import scrubbed
from publisher.wire.codec import DROPPED, Encoding, decodes, encodes
from publisher.wire.sent import SentException

MOST_CHARACTERS = 2000


@encodes(BaseException)
def encode_exception(encoding: Encoding, exc: BaseException, path: str) -> Any:
    """`{"type", "text", "traceback"}`. The traceback shows no values of variables."""
    plain = {"type": dotted(type(exc)), "text": _text(exc)}
    if encoding.wants_traceback:
        plain["traceback"] = scrubbed("".join(traceback.format_exception(exc)))
    return encoding.tag(path, "exception", plain)


@encodes(TracebackType)
def encode_traceback(encoding: Encoding, value: TracebackType, path: str) -> Any:
    if not encoding.wants_traceback:
        return encoding.tag(path, DROPPED, None)
    return scrubbed("".join(traceback.format_tb(value)))


@encodes(FrameType)
def encode_frame(encoding: Encoding, value: FrameType, path: str) -> Any:
    """Dropped, since a frame holds all local variables."""
    return encoding.tag(path, DROPPED, None)


def _text(exc: BaseException) -> str:
    try:
        return scrubbed(str(exc))[:MOST_CHARACTERS]
    except Exception as broken:
        return f"<str raised {type(broken).__name__}>"


@decodes("exception")
def decode_exception(plain: dict[str, Any], argument: str) -> SentException:
    known = {name: plain[name] for name in SentException.__slots__ if name in plain}
    return SentException(**known)
