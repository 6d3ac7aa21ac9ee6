"""The starts of events that were given out before, noted down: what ends its process is known to the next one."""

from consumers.handling.patience import Patience
from consumers.querysets import AttemptQuerySet, attempts
from publisher.atomicity import commit_each_statement
from publisher.wire.event import Event

# Of the one before, nothing but that there was one is known.
FIRST_NOTED = 2


class Starts:
    """Of one subscription's events. Needs a database."""

    def __init__(self, subscription: str, using: str, patience: Patience, *, most: int) -> None:
        self._subscription = subscription
        self._using = using
        self._patience = patience
        # Nobody knows of the first one: there is another, which is noted, however few attempts there are.
        self.most = max(most, FIRST_NOTED)

    @property
    def are_all_dangerous(self) -> bool:
        """Whether the first one that is noted is the last there is."""
        return self.most == FIRST_NOTED

    def are_dangerous(self, event: Event) -> bool:
        """Most that come again are innocent: one that did not end the first start that was noted is begun alone."""
        if self.are_all_dangerous:
            return True
        return self._patience.keep_trying(self._attempts.unended, self._subscription, event) > 0

    def begin(self, event: Event) -> int:
        """How many there were with this one, and the first, when it was no suspect."""
        return 1 + self._patience.keep_trying(self._attempts.begin, self._subscription, event)

    def note(self, event: Event, attempt: int) -> None:
        """The attempt has ended, and another one follows."""
        self._patience.keep_trying(self._attempts.note, self._subscription, event, attempt - 1)

    def end(self, event: Event) -> None:
        self._patience.keep_trying(self._attempts.end, self._subscription, event)

    def end_within(self, event: Event) -> None:
        """The same, as part of the handler's transaction."""
        self._attempts.end(self._subscription, event)

    @property
    def _attempts(self) -> AttemptQuerySet:
        commit_each_statement(self._using)
        return attempts(self._using)
