"""Finds out, from the text of the broker's error, which message it refused."""

import re
from collections.abc import Sequence

MAX_SIZE = re.compile(r"max size (\d+)")


def size_taken(reason: str, sizes: Sequence[int]) -> int:
    """How many bytes a body may have without being the refused one.

    If the text does not say, the largest of `sizes` is taken for the refused one.
    """
    told = MAX_SIZE.search(reason)
    return int(told[1]) if told else max(sizes, default=0) - 1


def is_to_blame(reason: str, routing_key: str, body: bytes) -> bool:
    """Whether the reason applies to this message: it is too large, or its routing key is forbidden.

    >>> is_to_blame("message size 9 is larger than configured max size 4", "a.b", b"large")
    True
    >>> is_to_blame("access to topic 'a.b' in exchange 'signals' refused", "a.c", b"")
    False
    """
    told = MAX_SIZE.search(reason)
    return len(body) > int(told[1]) if told else f"topic '{routing_key}'" in reason
