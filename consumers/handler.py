"""A handler: a function, the events that it handles, and its options."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, NamedTuple

from django.dispatch import Signal

from consumers.module_runs import ModuleRun
from consumers.retry import Backoff
from publisher.rule_entry import is_count
from publisher.wire.routing import KEY_BYTES

Instance = Literal["sent", "fresh"]
Sender = type | str | None
SOFT_SECONDS = 900.0
NAME_BYTES = 100
# AMQP's prefetch count has 16 bits. The worker takes two batches ahead, so a batch is at most half of that.
MOST_AHEAD = 65_535
MOST_IN_BATCH = MOST_AHEAD // 2


class Trigger(NamedTuple):
    """A signal, from this sender only; None stands for all senders."""

    signal: Signal
    sender: Sender = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Handler:
    """A function, and which events it is called with: those whose key matches `patterns`, or those of its `triggers`.

    `batch`: the most events in one call, as a list; 0 for single events. `concurrency`: how many calls may run at a
    time in one process; None for as many as there are threads. `soft_seconds`, `hard_seconds`: limits for one call.
    `ask`: the sender waits for what the function returns. `ignore_own`: not called for events that this service sent.
    `late_inbox`: on databases with one writer, the inbox's row is written after the call, not before; meant for
    receivers that may be slow. `runs`: the runs of modules that registered it.
    """

    name: str
    function: Callable[..., Any]
    patterns: tuple[str, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    retry: Backoff = field(default_factory=Backoff)
    inbox: bool = True
    late_inbox: bool = False
    ordered: bool = False
    instance: Instance = "sent"
    batch: int = 0
    batch_seconds: float = 0.5
    concurrency: int | None = None
    soft_seconds: float = SOFT_SECONDS
    hard_seconds: float | None = None
    ask: bool = False
    ignore_own: bool = False
    runs: tuple[ModuleRun, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f'a handler\'s name is text, as in name="audit", not {self.name!r}')
        if not self.name or len(self.name.encode()) > NAME_BYTES:
            raise ValueError(
                f"a handler's name, which its queue has too, has 1 to {NAME_BYTES} bytes: not {self.name!r}"
            )
        if self.instance not in ("sent", "fresh"):
            raise ValueError(f"instance is 'sent' or 'fresh', not {self.instance!r}")
        if not isinstance(self.batch, int) or not 0 <= self.batch <= MOST_IN_BATCH or not _is_limit(self.batch_seconds):
            raise ValueError(
                f"batch is a number of events up to {MOST_IN_BATCH}, and batch_seconds a time to wait for them, "
                f"not {self.batch!r} and {self.batch_seconds!r}"
            )
        if not (self.concurrency is None or is_count(self.concurrency)):
            raise ValueError(f"concurrency is a number of calls at a time, from 1 on, not {self.concurrency!r}")
        if (longest := max((len(pattern.encode()) for pattern in self.patterns), default=0)) > KEY_BYTES:
            raise ValueError(f"a pattern has at most {KEY_BYTES} bytes, as a key has, and not {longest} bytes")
        if not isinstance(self.retry, Backoff):
            raise TypeError(f"retry is a Backoff, as in retry=Backoff(delays=(5, 60)), not {self.retry!r}")
        if not _is_limit(self.soft_seconds) or not (self.hard_seconds is None or _is_limit(self.hard_seconds)):
            raise ValueError(f"limits are seconds, more than 0, not {self.soft_seconds!r} and {self.hard_seconds!r}")
        if self.batch and self.ordered:
            raise ValueError("a handler with a batch cannot be ordered: the events of a batch are handled together")
        if self.concurrency is not None and self.ordered:
            # `concurrency` limits what is unacknowledged: an event that waits for its next attempt would count.
            raise ValueError("an ordered handler has no concurrency: run it by itself, as `consume NAME --threads N`")
        if self.ask and (self.ordered or self.batch or self.patterns):
            raise ValueError("a handler with ask=True answers one signal at a time: no ordered, no batch, no patterns")
        if self.ask and self.ignore_own:
            raise ValueError("a handler with ask=True has no ignore_own: this service's questions would get no answer")

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signals of its triggers, each once."""
        return tuple(dict.fromkeys(trigger.signal for trigger in self.triggers))

    @property
    def path(self) -> str:
        return f"{self.function.__module__}.{self.function.__qualname__}"


def _is_limit(seconds: object) -> bool:
    return isinstance(seconds, int | float) and seconds > 0


def triggers_of(signals: Iterable[Signal], senders: Iterable[Sender] = (None,)) -> tuple[Trigger, ...]:
    """A trigger for each pair of a signal and a sender."""
    return tuple(Trigger(signal, sender) for signal, sender in product(signals, tuple(senders)))
