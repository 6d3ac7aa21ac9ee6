"""Dead letters as rows to show."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from consumers.dead_letters import DeadLetter


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
    reason: str
    attempts: int
    last_failed_at: str
    text: str


def line_of(letter: DeadLetter) -> Line:
    return Line(
        id=letter.id,
        handler=letter.handler,
        reason=letter.reason,
        attempts=letter.attempts,
        last_failed_at=letter.last_failed_at[:19],
        text=letter.text,
    )


def groups_of(letters: Iterable[DeadLetter]) -> list[Group]:
    counts = Counter((letter.handler, letter.reason, letter.exception) for letter in letters)
    return [
        Group(handler=handler, reason=reason, exception=exception, count=count)
        for (handler, reason, exception), count in counts.most_common()
    ]
