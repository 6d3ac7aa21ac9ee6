"""Which message the broker refused, as far as its words tell."""

import re

MAX_SIZE = re.compile(r"max size (\d+)")


def most_bytes(reason: str) -> int | None:
    """What a message may have; None where the broker's reason is another."""
    told = MAX_SIZE.search(reason)
    return int(told[1]) if told else None


def is_to_blame(reason: str, routing_key: str, body: bytes) -> bool:
    """Whether the reason is about a message as this one.

    >>> is_to_blame("message size 9 is larger than configured max size 4", "a.b", b"large")
    True
    >>> is_to_blame("access to topic 'a.b' in exchange 'signals' refused", "a.c", b"")
    False
    """
    most = most_bytes(reason)
    return f"topic '{routing_key}'" in reason if most is None else len(body) > most
