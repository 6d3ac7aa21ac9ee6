"""Decides between another attempt and a dead letter, by the number of the attempt and the exception."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from consumers.exceptions import NotBound, OnCommitFailed, Reject, Retry, TooManyHops
from publisher.rule_entry import is_wait
from publisher.wire.errors import MalformedEvent

DELAYS_SECONDS = (1.0, 10.0, 60.0, 600.0)
JITTER = 0.2


class UnknownType(Exception):
    """The event's type is no signal that this project knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The pauses between attempts: `delays`, in seconds, each changed at random. `jitter=0.2` is up to 20% either way.

    If the attempt after the last pause fails, the event is a dead letter. After an exception in `permanent` there is no
    other attempt. If `transient` is given, there is one only after an exception in it. Raises TypeError, ValueError.
    """

    delays: tuple[float, ...] = DELAYS_SECONDS
    jitter: float = JITTER
    transient: tuple[type[BaseException], ...] | None = None
    permanent: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.delays, Sequence):
            raise TypeError(f"delays is a tuple of seconds, as in delays=(5, 60), not {self.delays!r}")
        if not all(map(is_wait, self.delays)) or not 0 <= self.jitter <= 1:
            raise ValueError("delays are seconds, up to a year, and jitter is a part of them between 0 and 1")
        for name, kinds in (("transient", self.transient or ()), ("permanent", self.permanent)):
            if not _are_exceptions(kinds):
                raise TypeError(f"{name} is a tuple of exceptions, as in {name}=(ValueError,), not {kinds!r}")

    @property
    def attempts(self) -> int:
        """How many attempts an event has, with the first."""
        return len(self.delays) + 1

    def is_worth_retrying(self, exc: BaseException) -> bool:
        if isinstance(exc, self.permanent):
            return False
        return self.transient is None or isinstance(exc, self.transient)


def _are_exceptions(kinds: object) -> bool:
    """Whether `except` would take it: an exception class, or a tuple of them."""
    all_kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    return all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in all_kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Try again after so many seconds."""

    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bury:
    """Make it a dead letter, with this reason."""

    reason: str


def said_by(exc: BaseException) -> BaseException:
    """The exception to decide by. For an ExceptionGroup, as TaskGroup raises it, that is its first Reject if it holds
    nothing else, or its Retry with the longest pause if it holds only these. Otherwise it is `exc` itself.
    """
    parts = list(_parts(exc))
    if all(isinstance(part, Reject) for part in parts):
        return parts[0]
    retries = [part for part in parts if isinstance(part, Retry)]
    return max(retries, key=lambda part: part.after or 0) if len(retries) == len(parts) else exc


def _parts(exc: BaseException) -> Iterator[BaseException]:
    if not isinstance(exc, BaseExceptionGroup):
        yield exc
        return
    for part in exc.exceptions:
        yield from _parts(part)


def decide(attempt: int, exc: BaseException, policy: Backoff) -> Again | Bury:
    """What to do with an event after `exc` in this attempt. Attempts are counted from 1."""
    exc = said_by(exc)
    if isinstance(exc, MalformedEvent):
        return Bury(reason="malformed")
    if isinstance(exc, UnknownType):
        return Bury(reason="unknown type")
    if isinstance(exc, NotBound):
        return Bury(reason="not bound")
    if isinstance(exc, TooManyHops):
        return Bury(reason="too many hops")
    if isinstance(exc, OnCommitFailed):
        return Bury(reason="on_commit")
    if isinstance(exc, Reject):
        return Bury(reason="rejected")
    if not isinstance(exc, Retry) and not policy.is_worth_retrying(exc):
        return Bury(reason="permanent")
    if attempt >= policy.attempts:
        return Bury(reason="failed")
    if isinstance(exc, Retry) and exc.after is not None:
        return Again(after=exc.after)
    delay = policy.delays[attempt - 1]
    return Again(after=delay * random.uniform(1 - policy.jitter, 1 + policy.jitter))
