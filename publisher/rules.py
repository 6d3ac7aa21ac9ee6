"""Rules: which signals of which senders are forwarded, and how. The first rule that matches decides.

A site imports this module when it starts, so what is only needed for an event is imported elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, NamedTuple

ASK_SECONDS = 1.0
WILDCARDS = frozenset("*?[")

# A glob does not take these signals: they are sent for every row that is read, or before the apps are ready.
UNLESS_NAMED = frozenset(f"django.db.models.signals.{name}" for name in ("pre_init", "post_init", "class_prepared"))
# Nor these, which a development tool sends with every page, also in async code, where no event can be written.
OF_TOOLS = frozenset(("debug_toolbar.toolbar.DebugToolbar._created",))
# Sent by app configurations. A rule with `senders` means models, so its glob does not take these signals either.
SENT_BY_APPS = frozenset(f"django.db.models.signals.{name}" for name in ("pre_migrate", "post_migrate"))
# Sessions hold secrets: only a rule that names this sender, without a glob, takes it.
SENDERS_UNLESS_NAMED = frozenset(("sessions.session",))
# The bridge must not forward its own work: no rule takes the models of these apps.
OWN_APPS = frozenset(("publisher", "consumers"))
# What becomes of a value because of its name. `keep` sends it as it is, even one that is dropped by default.
ACTIONS = ("drop", "mask", "hash", "keep")
# (glob over lower-case names, action): the first that matches decides.
Redact = tuple[tuple[str, str], ...]

NO_FIELDS: frozenset[str] = frozenset()
FOR_NO_MODEL: Mapping[str, frozenset[str]] = MappingProxyType({})


class Rule(NamedTuple):
    """One entry of FORWARD.

    `senders` and `exclude` are lower-case globs over labels; without `senders` the rule is for all of them.
    `redact` has the rule's own pairs before those of the project.
    `strict` makes it an error if a value cannot be encoded or a routing key not be formed; else a substitute is sent.
    `unroutable` is None where the relay decides: it keeps what a handler of this project wants.
    `subject` names the kwarg that the events are about.
    `timeout`, in seconds, and `on_timeout`, the answer where no handler gives one, are for the delivery "ask".
    """

    signal: str
    senders: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    fields: Mapping[str, frozenset[str]] = FOR_NO_MODEL
    omit_fields: Mapping[str, frozenset[str]] = FOR_NO_MODEL
    redact: Redact = ()
    routing_key: str | None = None
    when: str | None = None
    delivery: str = "outbox"
    unroutable: str | None = None
    strict: bool = False
    traceback: bool = False
    changes: bool = False
    timeout: float = ASK_SECONDS
    on_timeout: Any = None
    subject: str | None = None

    @property
    def fails_sender(self) -> bool:
        """Whether an event that cannot be made is an error for the sender: then its transaction must not commit."""
        return self.strict and self.delivery == "outbox"

    def takes_signal(self, name: str) -> bool:
        if name in UNLESS_NAMED or name in OF_TOOLS or (self.senders and name in SENT_BY_APPS):
            return self.signal == name
        return fnmatchcase(name, self.signal)

    def takes_sender(self, label: str | None, *, is_text: bool = False) -> bool:
        """Whether the rule is for this sender: `app_label.model_name`, `package.classname`, or the sender's own text.

        None stands for a signal without a sender. `is_text` tells that the label is the sender's own text.
        """
        if label is None:
            return not self.senders
        if not is_text and label.partition(".")[0] in OWN_APPS:
            return False
        if any(fnmatchcase(label, glob) for glob in self.exclude):
            return False
        if label in SENDERS_UNLESS_NAMED:
            return label in self.senders
        return not self.senders or any(fnmatchcase(label, glob) for glob in self.senders)


def is_glob(pattern: str) -> bool:
    return not WILDCARDS.isdisjoint(pattern)


def first_match(rules: Iterable[Rule], sender: str | None) -> Rule | None:
    return next((rule for rule in rules if rule.takes_sender(sender)), None)


def may_decide(rules: Iterable[Rule], sender: str | None) -> Iterator[Rule]:
    """The rules that may decide about events of this sender, in order: a rule with `when` leaves some to the next ones.

    None stands for a sender that is only known when the signal is sent.
    """
    for rule in rules:
        if sender is None or rule.takes_sender(sender):
            yield rule
            if rule.when is None and (sender is not None or not (rule.senders or rule.exclude)):
                return
