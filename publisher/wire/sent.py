"""What a handler gets for objects that are not sent as they are."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A file or an upload, without its content. None stands for what is not known without asking a remote storage."""

    name: str = ""
    size: int | None = None
    url: str | None = None
    content_type: str | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMail:
    """An e-mail, without subject and text. `attachments` are their names."""

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
    """An HTTP response: its status and content type."""

    status: int | None = None
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMoney:
    """An amount in a currency, from any library."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRange:
    """A PostgreSQL range, where the handler's process has no psycopg. `bounds` is `[)` or the like, or `empty`."""

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
