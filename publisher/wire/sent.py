"""What a handler gets of things that do not travel whole."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A file or an upload; its content stayed where it is. What is not known without asking a storage is None."""

    name: str = ""
    size: int | None = None
    url: str | None = None
    content_type: str | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMail:
    """Who wrote to whom in an e-mail; subject and text stayed where they were. `attachments` are their names."""

    from_email: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SentException:
    """An exception: its dotted type and its text. `traceback` is there when the rule asked for it."""

    type: str
    text: str = ""
    traceback: str | None = None

    def __str__(self) -> str:
        return f"{self.type}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentResponse:
    """What leaves of a response."""

    status: int | None = None
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMoney:
    """An amount in a currency, whatever library it came from."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRange:
    """A range of PostgreSQL, where the handler has no driver of its. `bounds` is `[)` and so on, or `empty`."""

    lower: Any
    upper: Any
    bounds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentQuerySet:
    """A queryset: its model's label and, when it had been evaluated, how many rows it had.

    `rows` are the first of them: primary keys of instances, or what `values()` gave.
    """

    model: str
    count: int | None = None
    rows: tuple[Any, ...] = ()

    @property
    def is_whole(self) -> bool:
        return self.count == len(self.rows)
