"""What AMQP can hold as a routing key, or as a queue's name, on the command line."""

from argparse import ArgumentTypeError

from publisher.wire.frames import short


def short_text(text: str) -> str:
    """For argparse: the text as it is."""
    try:
        short(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from exc
    return text
