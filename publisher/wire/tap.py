"""Reads copies of the messages that pass an exchange, from a temporary queue of its own."""

from collections.abc import Callable, Iterable

from publisher.wire.connection import Connection
from publisher.wire.reading import RoutingKey, is_read_elsewhere

# A classic queue, whatever the vhost's default type is, since it is deleted with its connection. If it is read too
# slowly, the oldest messages are dropped, so that it does not fill the broker.
ARGUMENTS = {"x-queue-type": "classic", "x-max-length": 10_000}


class Tap:
    """Calls `on_message` with routing key and body, in the thread that polls the connection."""

    def __init__(
        self,
        connection: Connection,
        exchange: str,
        patterns: Iterable[str],
        *,
        queue: str,
        on_message: Callable[[str, bytes], None],
    ) -> None:
        def arrived(consumer: bytes, tag: int, is_redelivered: bool, key: RoutingKey, raw: bytes, body: bytes) -> None:
            on_message(key.text, body)

        channel = connection.open_channel()
        connection.read_contents(channel, arrived)
        answers: list[object] = []
        channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments=ARGUMENTS, callback=answers.append)
        keys = tuple(patterns)
        for key in keys:
            channel.queue_bind(queue, exchange, key, callback=answers.append)
        channel.basic_consume(queue, is_read_elsewhere, auto_ack=True, exclusive=True, callback=answers.append)
        connection.wait_for(lambda: len(answers) == len(keys) + 2)
