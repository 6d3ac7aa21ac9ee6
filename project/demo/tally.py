"""Counts what happened in a run of the demo, and finds what should have happened and did not."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from project.demo.lines import Answered, Audited, Dead, Failed, Handled, Relayed, Said, made_at_ms
from project.demo.visitors import Deed
from publisher.wire.routing import matches

# The demo's handlers, and the events that each of them has to handle.
SUBSCRIPTIONS: Mapping[str, str] = {
    "check_spam": "db.post_save.blog.comment",
    "update_status": "auth.user_logged_in.auth.user",
    "audit": "#",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    handler: str
    expected: int
    handled: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One run in numbers.

    forwarded: events that the visitors caused, counted where they were caused.
    published: events that the broker confirmed.
    handled: events that every subscription they match has handled.
    dead: dead letters that were not replayed, or not handled then; died: all that were made.
    The latencies are those of first attempts.
    """

    forwarded: int
    published: int
    handled: int
    dead: int
    died: int
    unroutable: int
    p50_ms: float
    p99_ms: float
    seconds: float
    subscriptions: tuple[Subscription, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "forwarded": self.forwarded,
            "published": self.published,
            "handled": self.handled,
            "dead": self.dead,
            "unroutable": self.unroutable,
            "latency_ms": {"p50": self.p50_ms, "p99": self.p99_ms},
            "seconds": self.seconds,
            "subscriptions": {
                each.handler: {"expected": each.expected, "handled": each.handled} for each in self.subscriptions
            },
        }


class Tally:
    """Counts deeds on one side and reactions on the other."""

    def __init__(self, *, started_ms: int, backlog: int) -> None:
        """`backlog` events were in the outbox at the start, from seeding or an earlier run."""
        self._started_ms = started_ms
        self._backlog = backlog
        self.deeds: list[Deed] = []
        self._dead: dict[tuple[str, str], Dead] = {}
        self._died: set[tuple[str, str]] = set()
        self._troubles: Counter[tuple[str, str]] = Counter()
        self._relayed = Relayed(confirmed=0, unroutable=0)
        self._lags: dict[str, dict[str, float]] = defaultdict(dict)
        self._keys: dict[str, str] = {}

    def add_deed(self, deed: Deed) -> None:
        self.deeds.append(deed)

    def add(self, what: Said) -> bool:
        """Count it. False if it is about an event of an earlier run."""
        match what:
            case Relayed():
                self._relayed = what
            case Handled() if self._is_of_this_run(what.event):
                self._keys[what.event] = what.key
                self._lags[what.handler].setdefault(what.event, what.lag_ms)
                self._dead.pop((what.event, what.handler), None)
            case Failed() if self._is_of_this_run(what.event):
                self._troubles[what.event, what.handler] += 1
            case Dead() if self._is_of_this_run(what.event):
                self._troubles[what.event, what.handler] += 1
                self._dead[what.event, what.handler] = what
                self._died.add((what.event, what.handler))
            case Handled() | Failed() | Dead():
                return False
            case Audited() | Answered():
                return self._is_of_this_run(what.event)
        return True

    @property
    def dead(self) -> list[Dead]:
        return list(self._dead.values())

    def troubles(self, handled: Handled) -> int:
        """How often the handler failed before."""
        return self._troubles[handled.event, handled.handler]

    def is_settled(self) -> bool:
        """Whether each event has been handled or is a dead letter."""
        return all(
            len(self._lags[handler]) + sum(dead.handler == handler for dead in self.dead) == count
            for handler, count in self.expected().items()
        )

    def expected(self) -> dict[str, int]:
        """How many events each handler has to handle."""
        deeds = Counter(deed.kind for deed in self.deeds)
        audited = deeds.total() - deeds["refused"]
        return {"check_spam": deeds["comment"], "update_status": deeds["login"], "audit": audited}

    def summary(self, seconds: float) -> Summary:
        lags = [lag for handler in SUBSCRIPTIONS for lag in self._first_lags(handler)]
        return Summary(
            forwarded=self.expected()["audit"],
            published=max(0, self._relayed.confirmed - self._backlog),
            handled=sum(self._is_handled(event) for event in self._keys),
            dead=len(self.dead),
            died=len(self._died),
            unroutable=self._relayed.unroutable,
            p50_ms=percentile(lags, 50),
            p99_ms=percentile(lags, 99),
            seconds=round(seconds, 2),
            subscriptions=tuple(self._subscription(name, count) for name, count in self.expected().items()),
        )

    def _subscription(self, handler: str, expected: int) -> Subscription:
        lags = self._first_lags(handler)
        return Subscription(
            handler=handler,
            expected=expected,
            handled=len(self._lags[handler]),
            p50_ms=percentile(lags, 50),
            p99_ms=percentile(lags, 99),
        )

    def _first_lags(self, handler: str) -> list[float]:
        return [lag for event, lag in self._lags[handler].items() if not self._troubles[event, handler]]

    def _is_handled(self, event: str) -> bool:
        key = self._keys[event]
        return all(event in self._lags[handler] for handler, pattern in SUBSCRIPTIONS.items() if matches(pattern, key))

    def _is_of_this_run(self, event: str) -> bool:
        return made_at_ms(event) >= self._started_ms


def unhandled(summary: Summary) -> list[str]:
    """What handlers have not done yet; empty when all is done."""
    return [
        f"{each.handler} handled {each.handled} of {each.expected} events"
        for each in summary.subscriptions
        if each.handled != each.expected
    ]


def missing(summary: Summary) -> list[str]:
    """What did not happen although it had to; empty when all is well."""
    found = unhandled(summary)
    if summary.published != summary.forwarded:
        found.append(f"the broker confirmed {summary.published} of {summary.forwarded} forwarded events")
    if summary.dead:
        found.append(f"{summary.dead} dead letters")
    if summary.unroutable:
        found.append(f"{summary.unroutable} events were unroutable")
    return found


def misjudged(deeds: Iterable[Deed], judged: Mapping[int, str]) -> list[str]:
    """Comments that were not judged as the data file says. `judged` gives a comment's status by its key."""
    return [
        f"comment {deed.comment} by {deed.visitor} is {judged.get(deed.comment, 'gone')}, not {deed.expected}"
        for deed in deeds
        if deed.kind == "comment" and deed.comment is not None and judged.get(deed.comment) != deed.expected
    ]


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile, 0 for no values."""
    if not values:
        return 0.0
    return round(sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)], 1)
