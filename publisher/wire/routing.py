"""Routing keys, and patterns that match them as RabbitMQ's topic exchange does."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

KEY_BYTES = 255
# In an outbox, a routing key may be this mark and the name of an offloaded receiver's queue.
QUEUE_MARK = "@"
# Or this mark, the name of the only queue that gets the event, a space, and the event's key.
ONE_QUEUE_MARK = "@@"
# The header with the event's key, in a message that is routed by the name of its queue.
KEY_HEADER = "x-routing-key"
# A sender that is text, and can be part of a key: words without wildcards and spaces.
WORDS = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
WORDS_BYTES = 100


@lru_cache(maxsize=4096)
def routing_key(group: str, signal: str, sender: str | None) -> str:
    """`<group>.<signal>[.<sender>]` in lower case, at most 255 bytes.

    >>> routing_key("db", "post_save", "blog.Comment")
    'db.post_save.blog.comment'
    """
    return shortened(".".join(word for word in (group, signal, sender) if word).lower())


def shortened(key: str) -> str:
    """The key cut to the 255 bytes of AMQP's short string, without NUL, which PostgreSQL's text cannot hold."""
    return key.replace("\0", "").encode()[:KEY_BYTES].decode(errors="ignore")


def formatted_key(template: str, values: Mapping[str, Any]) -> str:
    """The key from a rule's template. Raises what `str.format` raises, and ValueError for a key that begins with @.

    >>> formatted_key("moderation.{kwargs[reason]}", {"kwargs": {"reason": "spam"}})
    'moderation.spam'
    """
    key = shortened(template.format_map(values))
    if key.startswith(QUEUE_MARK):
        raise ValueError(f"it begins with {QUEUE_MARK}, as the names of offloaded receivers do")
    return key


class OneQueue(NamedTuple):
    """The only queue that gets an event, and the event's routing key."""

    queue: str
    key: str

    @property
    def marked(self) -> str:
        """Both in one text, as the routing key in an outbox.

        >>> OneQueue("shop.index", "db.post_save.shop.order").marked
        '@@shop.index db.post_save.shop.order'
        """
        return f"{ONE_QUEUE_MARK}{quote(self.queue)} {self.key}"

    @classmethod
    def read(cls, marked: str) -> "OneQueue":
        queue, _, key = marked.removeprefix(ONE_QUEUE_MARK).partition(" ")
        return cls(unquote(queue), key)


def class_label(kind: type) -> str:
    """`package.classname`, the label of a sender that is no model: `django.wsgihandler`."""
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}".lower()


def text_label(text: str) -> str | None:
    """The label of a sender that is text: in lower case, or None if it cannot be part of a key.

    >>> text_label("axes"), text_label("django.contrib.auth"), text_label("Who knows?")
    ('axes', 'django.contrib.auth', None)
    """
    lower = text.lower()
    return lower if len(lower) <= WORDS_BYTES and WORDS.fullmatch(lower) else None


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> Callable[[str], object]:
    # `*` is one word, `#` is any number of words, or none.
    body = ""
    for word in _words(pattern):
        body += {"#": r"(?:\.[^.]*)*", "*": r"\.[^.]*"}.get(word, r"\." + re.escape(word))
    return re.compile(body).fullmatch


def matches(pattern: str, key: str) -> bool:
    """Whether the pattern of a binding matches a key.

    >>> matches("db.*.blog.comment", "db.post_save.blog.comment"), matches("auth.#", "auth")
    (True, True)
    """
    return bool(_matcher(pattern)("".join(f".{word}" for word in _words(key))))


def _words(key: str) -> list[str]:
    # As in RabbitMQ, an empty key has no words, and "a." has two, of which one is empty.
    return key.split(".") if key else []
