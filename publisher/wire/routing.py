"""Routing keys and the patterns that match them, as RabbitMQ's topic exchange reads them."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

KEY_BYTES = 255
# Where an outbox's key begins with it, the rest is the name of an offloaded receiver's queue.
QUEUE_MARK = "@"
# And with this, the name of a queue that alone gets the event, and the key that the event is under.
ONE_QUEUE_MARK = "@@"
# What notes that key on a message that comes by its queue's name.
KEY_HEADER = "x-routing-key"
# Words that a pattern can name, of a sender that is text: no wildcards, no spaces, none of them empty.
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
    """AMQP's short string holds 255 bytes: a longer key is cut there. PostgreSQL's text holds no NUL."""
    return key.replace("\0", "").encode()[:KEY_BYTES].decode(errors="ignore")


def formatted_key(template: str, values: Mapping[str, Any]) -> str:
    """The routing key that a rule asks for. Raises what `str.format` raises, and ValueError for one that begins with @.

    >>> formatted_key("moderation.{kwargs[reason]}", {"kwargs": {"reason": "spam"}})
    'moderation.spam'
    """
    key = shortened(template.format_map(values))
    if key.startswith(QUEUE_MARK):
        raise ValueError(f"it begins with {QUEUE_MARK}, as the names of offloaded receivers do")
    return key


class OneQueue(NamedTuple):
    """Where an event goes that is for one queue alone, and the key that it is under."""

    queue: str
    key: str

    @property
    def marked(self) -> str:
        """As an outbox has it.

        >>> OneQueue("shop.index", "db.post_save.shop.order").marked
        '@@shop.index db.post_save.shop.order'
        """
        return f"{ONE_QUEUE_MARK}{quote(self.queue)} {self.key}"

    @classmethod
    def read(cls, marked: str) -> "OneQueue":
        queue, _, key = marked.removeprefix(ONE_QUEUE_MARK).partition(" ")
        return cls(unquote(queue), key)


def class_label(kind: type) -> str:
    """`package.classname`, for a sender that is no model: `django.wsgihandler`."""
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}".lower()


def text_label(text: str) -> str | None:
    """A sender that is text, in lower case; None for what is no word of a key.

    >>> text_label("axes"), text_label("django.contrib.auth"), text_label("Who knows?")
    ('axes', 'django.contrib.auth', None)
    """
    lower = text.lower()
    return lower if len(lower) <= WORDS_BYTES and WORDS.fullmatch(lower) else None


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> Callable[[str], object]:
    # `*` is one word, `#` is any number of words, none included, with the dots between them.
    body = ""
    for word in _words(pattern):
        body += {"#": r"(?:\.[^.]*)*", "*": r"\.[^.]*"}.get(word, r"\." + re.escape(word))
    return re.compile(body).fullmatch


def matches(pattern: str, key: str) -> bool:
    """Whether a binding's pattern takes a key.

    >>> matches("db.*.blog.comment", "db.post_save.blog.comment"), matches("auth.#", "auth")
    (True, True)
    """
    return bool(_matcher(pattern)("".join(f".{word}" for word in _words(key))))


def _words(key: str) -> list[str]:
    # RabbitMQ finds no word in an empty key, and two, one of them empty, in "a.".
    return key.split(".") if key else []
