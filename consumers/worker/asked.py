"""One question to one handler: the answer is what it returns, or that it failed."""

import logging
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from consumers.handling.context import handler_context
from consumers.handling.handling import Handling
from consumers.handling.places import place_of
from consumers.handling.received import Received, event_of
from consumers.handling.results import Answered, Result, name_of
from publisher.wire.asking import failure
from publisher.wire.codec import Encoding
from publisher.wire.glance import origin_of
from publisher.wire.ids import told
from publisher.wire.origin import originating
from publisher.wire.printable import printable

logger = logging.getLogger("consumers.worker")

_encoder = msgspec.json.Encoder()


class Question(Received, frozen=True, kw_only=True):
    """A delivery that waits for an answer until `deadline`, in seconds since the epoch."""

    deadline: float


class Asked(Handling):
    """Handles questions: without inbox, retries and dead letters, since the sender does not wait that long."""

    def beside_others(self, received: Received) -> Result:
        """Call the handler. Raises nothing: if the handler raises, the answer says so."""
        began = datetime.now(UTC)
        if isinstance(received, Question) and time.time() > received.deadline:
            logger.warning("not answered handler=%s: the question is too old", self.handler.name)
            return Answered(event=None, began=began, body=None)
        event = None
        try:
            event = event_of(received)
            if not self.call.takes(event):
                return Answered(event=None, began=began, body=None)
            with self._once.processing.one(event), handler_context(event):
                return Answered(event=event, began=began, body=answer(self.call(event)))
        except BaseException as exc:  # a handler may call sys.exit()
            origin = origin_of(received.body, printable(event.id) if event else None)
            with originating(origin):
                logger.error("ask failed event=%s%s handler=%s: %s (%s)", origin.causationid, told(origin),
                             self.handler.name, name_of(exc), place_of(exc, self.handler.function))  # fmt: skip
            return self.failed(exc, received)

    def _decided(self, exc: BaseException, received: Received) -> Result:
        return Answered(event=None, began=datetime.now(UTC), body=failure(name_of(exc)))


def answer(value: Any) -> bytes:
    """Encode an answer as JSON, as the kwargs of an event are encoded. Raises NotEncodable if there is no encoder."""
    encoding = Encoding()
    plain = encoding.encode(value, "answer")
    return _encoder.encode({"answer": plain, "types": encoding.types} if encoding.types else {"answer": plain})
