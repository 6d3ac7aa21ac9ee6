"""An event as a row of the outbox."""

from typing import NamedTuple
from zlib import crc32

from publisher.events.body import Encoded
from publisher.rules import Rule

COLUMNS = ("message_id", "type", "routing_key", "partitionkey", "slot", "keep_unroutable", "body")
SLOTS = 1024


class Row(NamedTuple):
    """A row of the outbox, in the order of COLUMNS."""

    message_id: str
    type: str
    routing_key: str
    partitionkey: str
    slot: int
    keep_unroutable: bool | None
    body: bytes


def slot_of(partitionkey: str) -> int:
    """The slot of a key, below SLOTS. Shards divide the slots, so events of one key are in one shard."""
    return crc32(partitionkey.encode()) % SLOTS


def row_of(encoded: Encoded, rule: Rule) -> Row:
    event, routing_key, body = encoded
    # PostgreSQL cannot store NUL in text.
    key = (event.partitionkey or "").replace("\0", "")
    keep = None if rule.unroutable is None else rule.unroutable == "keep"
    return Row(event.id, event.type, routing_key, key, slot_of(key), keep, body)
