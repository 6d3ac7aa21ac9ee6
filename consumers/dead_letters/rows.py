"""Dead letters as rows to show: whatever a stranger wrote there, it steers no terminal."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.text import Truncator

from consumers.dead_letters.letters import DeadLetter
from publisher.wire.printable import printable

TEXT_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Letters of one handler that died of the same."""

    handler: str
    reason: str
    exception: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One letter in a row; `show ID` has the rest."""

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
