"""Questions and answers over RabbitMQ's direct reply-to: an answer goes to the channel that asked, without a queue.

https://www.rabbitmq.com/docs/direct-reply-to
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct
from typing import Any, NamedTuple

import msgspec
from pika import BasicProperties
from pika.spec import Basic

from publisher.wire.blame import size_taken
from publisher.wire.connection import Connection
from publisher.wire.errors import MessageRefused
from publisher.wire.event import CONTENT_TYPE
from publisher.wire.frames import Message, publish, short
from publisher.wire.intake import Delivery
from publisher.wire.printable import printable
from publisher.wire.properties import LEFT_OUT_OF_QUESTION, Unreadable, copied, read
from publisher.wire.reading import RoutingKey, is_read_elsewhere
from publisher.wire.sender import Sender

logger = logging.getLogger(__name__)

REPLY_TO = "amq.rabbitmq.reply-to"
DEADLINE = "x-deadline"
ANSWER_TYPE = "application/json"

# The properties of a question, in AMQP's order. A question is transient: nobody waits for it after a broker's restart.
_FLAGS = (
    BasicProperties.FLAG_CONTENT_TYPE
    | BasicProperties.FLAG_HEADERS
    | BasicProperties.FLAG_DELIVERY_MODE
    | BasicProperties.FLAG_CORRELATION_ID
    | BasicProperties.FLAG_REPLY_TO
    | BasicProperties.FLAG_MESSAGE_ID
    | BasicProperties.FLAG_TYPE
    | BasicProperties.FLAG_APP_ID
)
_ANSWER_FLAGS = (
    BasicProperties.FLAG_CONTENT_TYPE | BasicProperties.FLAG_DELIVERY_MODE | BasicProperties.FLAG_CORRELATION_ID
)
_TRANSIENT = b"\x01"
_LONG_LONG = b"l"
_flags = Struct(">H").pack
_deadline = Struct(">q").pack
_size = Struct(">L").pack
_HEADER = short(DEADLINE) + _LONG_LONG


class Question(NamedTuple):
    """An event as a question. At `deadline_ms` (milliseconds since the epoch), the sender stops waiting for answers."""

    id: str
    type: str
    routing_key: str
    body: bytes
    service: str
    deadline_ms: int


class Asker:
    """Publishes questions on one channel, and calls back, in the connection's thread, with the outcome.

    `on_answer` gets a question's id and the answer's body; `on_unroutable` the id of a question without a queue.
    """

    def __init__(
        self,
        connection: Connection,
        exchange: str,
        *,
        on_answer: Callable[[str, bytes], None],
        on_unroutable: Callable[[str], None],
    ) -> None:
        self.connection = connection
        self.exchange = exchange
        self._on_answer = on_answer
        self._on_unroutable = on_unroutable
        channel = connection.open_channel()
        self._number = channel.channel_number
        connection.read_contents(channel, self._arrived)
        channel.add_on_return_callback(self._returned)
        ready: list[object] = []
        channel.basic_consume(REPLY_TO, is_read_elsewhere, auto_ack=True, callback=ready.append)
        connection.wait_for(lambda: ready)

    def ask(self, questions: Iterable[Question]) -> None:
        """Publish questions. Raises ValueError for one that AMQP cannot carry."""
        body_max = self.connection.body_max
        messages = map(_message, questions)
        self.connection.emit([publish(self._number, self.exchange, message, body_max) for message in messages])

    def _arrived(
        self, consumer: bytes, tag: int, is_redelivered: bool, key: RoutingKey, properties: bytes, body: bytes
    ) -> None:
        try:
            correlation_id: Any = read(properties).correlation_id
        except Unreadable as exc:
            logger.warning("answer ignored: %s", exc)
            return
        self._on_answer(str(correlation_id), body)

    def _returned(self, channel: object, method: Basic.Return, properties: BasicProperties, body: bytes) -> None:
        self._on_unroutable(str(properties.correlation_id))


class Answer(NamedTuple):
    """An answer to a question, on its way back."""

    reply_to: str
    correlation_id: str
    body: bytes


class Answerer:
    """Publishes answers. An answer is lost if the asker is gone, which does no harm.

    The broker closes the channel when an answer is too large. So answers are confirmed: that tells which were taken.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._sender = self._opened()

    def _opened(self) -> Sender[Answer]:
        return Sender(self.connection)

    def answer(self, answers: Iterable[Answer]) -> None:
        self._sender.send_all((answer, _reply(answer)) for answer in answers)

    def check(self) -> None:
        """Call this after each poll. If the broker refused an answer, this sends a failure, and the others again."""
        self._sender.settled.clear()
        try:
            self._sender.check()
        except MessageRefused as refusal:
            self._sender = self._opened()
            self.answer(without_refused(refusal.tokens, str(refusal)))


def without_refused(answers: Sequence[Answer], reason: str) -> list[Answer]:
    """The answers that were in flight, to be sent again; those that were too large are replaced by failures."""
    most = size_taken(reason, [len(answer.body) for answer in answers])
    return [answer if len(answer.body) <= most else _refused(answer, most) for answer in answers]


def _refused(answer: Answer, most: int) -> Answer:
    size = len(answer.body)
    logger.error("answer too large question=%s bytes=%d most=%d", printable(answer.correlation_id), size, most)
    return answer._replace(body=failure(f"the answer has {size} bytes, which is larger than the broker takes ({most})"))


def failure(reason: str) -> bytes:
    """The body of an answer that only says why the question cannot be answered."""
    return msgspec.json.encode({"error": reason})


def answer_to(delivery: Delivery, body: bytes) -> Answer | None:
    """The answer to a delivered question; None where nobody waits for one."""
    reply_to: Any = delivery.properties.reply_to
    correlation_id: Any = delivery.properties.correlation_id
    return Answer(reply_to, str(correlation_id or ""), body) if isinstance(reply_to, str) and reply_to else None


def asked_anew(delivery: Delivery, headers: Mapping[str, Any]) -> Message:
    """The same question once more for the same queue, with these headers (None removes one)."""
    properties = copied(delivery.raw_properties, headers, left_out=LEFT_OUT_OF_QUESTION)
    return Message(
        routing_key=delivery.queue,
        body=delivery.body,
        message_id=delivery.properties.message_id,
        properties=properties,
    )


def deadline_of(delivery: Delivery) -> float:
    """When the asker stops waiting, in seconds since the epoch; infinity if the question does not say."""
    milliseconds = delivery.headers.get(DEADLINE)
    return milliseconds / 1000 if isinstance(milliseconds, int) else float("inf")


def _message(question: Question) -> Message:
    headers = _HEADER + _deadline(question.deadline_ms)
    properties = b"".join(
        (
            _flags(_FLAGS), short(CONTENT_TYPE), _size(len(headers)), headers, _TRANSIENT, short(question.id),
            short(REPLY_TO), short(question.id), short(question.type), short(question.service),
        )
    )  # fmt: skip
    return Message(routing_key=question.routing_key, body=question.body, properties=properties)


def _reply(answer: Answer) -> Message:
    properties = _flags(_ANSWER_FLAGS) + short(ANSWER_TYPE) + _TRANSIENT + short(answer.correlation_id)
    return Message(routing_key=answer.reply_to, body=answer.body, properties=properties)
