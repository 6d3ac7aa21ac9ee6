"""Dead letters as text to show. A stranger may have written them, so they are made printable for the terminal."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from django.utils.text import Truncator

from consumers.dead_letters.letter import DeadLetter
from publisher.wire.printable import printable

TEXT_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How many letters of one handler have the same reason and exception."""

    handler: str
    reason: str
    exception: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One letter in the table; `show ID` prints the rest of it."""

    id: str
    handler: str
    subject: str
    reason: str
    attempts: int
    last_failed_at: str
    text: str


def line_of(letter: DeadLetter) -> Line:
    return Line(
        id=printable(letter.id),
        handler=letter.handler,
        subject=Truncator(printable(letter.subject)).chars(TEXT_CHARACTERS),
        reason=printable(letter.reason),
        attempts=letter.attempts,
        last_failed_at=printable(letter.last_failed_at[:19]),
        text=Truncator(printable(letter.text)).chars(TEXT_CHARACTERS),
    )


def groups_of(letters: Iterable[DeadLetter]) -> list[Group]:
    counts = Counter((letter.handler, letter.reason, letter.exception) for letter in letters)
    return [
        Group(handler=handler, reason=printable(reason), exception=printable(exception), count=count)
        for (handler, reason, exception), count in counts.most_common()
    ]


def as_json(letter: DeadLetter, body: bytes) -> str:
    """The letter with its event, as JSON. If the body is no JSON, or nested too deeply for Python, it is a text."""
    fields = asdict(letter)
    try:
        return json.dumps({**fields, "event": json.loads(body)}, indent=2, default=str)
    except (ValueError, RecursionError):
        return json.dumps({**fields, "event": repr(body)}, indent=2)


def none_of(reasons: Mapping[str, int]) -> str:
    """What to tell a person whose filters match none of the letters. `reasons` counts all letters by reason."""
    told = ", ".join(f"{count} {printable(reason)}" for reason, count in reasons.items())
    return f"No dead letter matches, but there are: {told}."
