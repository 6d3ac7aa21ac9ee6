"""Encodes one signal's kwargs under its rule: redacts by name, and stands in for what has no encoder."""

import logging
from typing import Any

from publisher import counters
from publisher.encoders.likenesses import likeness_of
from publisher.encoders.values import dotted
from publisher.redaction import action_on
from publisher.rules import Rule
from publisher.scrubbing import scrubbed
from publisher.unqueried import without_queries
from publisher.wire.codec import Encoding
from publisher.wire.errors import NotEncodable

logger = logging.getLogger(__name__)

REPR_CHARACTERS = 200
# Types whose values contain no others, so no cycle can go through them.
ATOMS = (str, bytes, int, float, bool, type(None), type)


class SignalEncoding(Encoding):
    """Encodes one event's values under the rule that forwards it."""

    __slots__ = ("rule", "signal")

    def __init__(self, signal: str, rule: Rule) -> None:
        super().__init__()
        self.signal = signal
        self.rule = rule

    @property
    def wants_traceback(self) -> bool:
        return self.rule.traceback

    def action(self, name: str, value: object) -> str:
        return action_on(name, value, self.rule.redact)

    def project(self, value: Any, path: str) -> Any:
        """What is sent for a value without an encoder: money and geometry as such, all else as `{"type", "repr"}`.

        Raises NotEncodable for the latter where the rule is strict.
        """
        if (likeness := likeness_of(value)) is not None:
            return self.tag(path, *likeness)
        kind = type(value)
        if self.rule.strict:
            raise NotEncodable(path, kind, self.signal)
        if counters.count(counters.PROJECTED, dotted(kind)) == 1:
            logger.warning(
                "no encoder type=%s signal=%s path=%s: forwarded as its repr",
                dotted(kind),
                self.signal,
                path,
            )
        return self.tag(path, "repr", projection(value))


class CyclicEncoding(SignalEncoding):
    """The same for values that contain themselves: inside, None is sent, with the path of the outer one in the tag.

    Detecting this takes time, so it is used only after encoding without it has ended in a RecursionError.
    """

    __slots__ = ("_open",)

    def __init__(self, signal: str, rule: Rule, types: dict[str, str]) -> None:
        super().__init__(signal, rule)
        self.types = types
        self._open: dict[int, str] = {}

    def encode(self, value: Any, path: str) -> Any:
        if isinstance(value, ATOMS):
            return super().encode(value, path)
        first = self._open.setdefault(id(value), path)
        if first is not path:
            return self.tag(path, f"cycle:{first}", None)
        try:
            return super().encode(value, path)
        finally:
            del self._open[id(value)]


def projection(value: object) -> dict[str, str]:
    """The dotted type of a value, and the beginning of its repr, without secrets."""
    try:
        with without_queries():
            text = scrubbed(ascii(value))[:REPR_CHARACTERS]
    except Exception as exc:
        text = f"<repr raised {type(exc).__name__}>"
    return {"type": dotted(type(value)), "repr": text}
