"""Questions and answers as AMQP has them."""

import pytest

from publisher.wire.asking import Answer, Question, _message, _reply
from publisher.wire.properties import read


def test_question_says_who_asks_until_when_and_is_not_kept():
    message = _message(Question("id-1", "a.signal", "a.key", b"{}", "blog", 1_700_000_000_123))
    properties = read(message.properties)
    assert (message.routing_key, message.body) == ("a.key", b"{}")
    assert (properties.correlation_id, properties.message_id, properties.reply_to) == (
        "id-1", "id-1", "amq.rabbitmq.reply-to",
    )  # fmt: skip
    assert (properties.type, properties.app_id, properties.content_type) == (
        "a.signal", "blog", "application/cloudevents+json",
    )  # fmt: skip
    assert properties.headers == {"x-deadline": 1_700_000_000_123}
    assert properties.delivery_mode == 1
    assert properties.expiration is None


def test_answer_goes_to_whoever_asked():
    message = _reply(Answer("amq.rabbitmq.reply-to.x", "id-1", b"{}"))
    properties = read(message.properties)
    assert message.routing_key == "amq.rabbitmq.reply-to.x"
    assert (properties.correlation_id, properties.content_type, properties.delivery_mode) == (
        "id-1", "application/json", 1,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["id", "type", "service"])
def test_question_that_amqp_cannot_carry_is_an_error(name):
    named = {"id": "1", "type": "t", "routing_key": "k", "body": b"", "service": "s", "deadline_ms": 1}
    with pytest.raises(ValueError, match="255 bytes"):
        _message(Question(**{**named, name: "x" * 256}))
