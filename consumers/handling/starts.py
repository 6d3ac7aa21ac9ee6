"""Counts in the database how often redelivered events were started, to find an event that kills its process."""

from consumers.handling.patience import Patience
from consumers.querysets import AttemptQuerySet, attempts
from publisher.atomicity import commit_each_statement
from publisher.wire.event import Event

# The first start is not counted, since the event was not suspected yet. Counting begins with the second start.
FIRST_NOTED = 2


class Starts:
    """The starts of one subscription's events. `most` is how many starts an event may have. Needs a database."""

    def __init__(self, subscription: str, using: str, patience: Patience, *, most: int) -> None:
        self._subscription = subscription
        self._using = using
        self._patience = patience
        # One counted start is always granted, however few attempts the handler has: the first was not counted.
        self.most = max(most, FIRST_NOTED)

    @property
    def are_all_dangerous(self) -> bool:
        """Whether the first start that is counted is also the last one."""
        return self.most == FIRST_NOTED

    def are_dangerous(self, event: Event) -> bool:
        """Whether the event may have killed a process, and is to be handled alone.

        Most redelivered events are innocent, so there has to be a counted start that did not end.
        """
        if self.are_all_dangerous:
            return True
        return self._patience.keep_trying(self._attempts.unended, self._subscription, event) > 0

    def begin(self, event: Event) -> int:
        """Count a start. Returns how many there were, with this one and the first, which was not counted."""
        return 1 + self._patience.keep_trying(self._attempts.begin, self._subscription, event)

    def are_known(self, event: Event) -> bool:
        """Whether any start is known: it was counted, or noted as failed. Else the event may never have been begun."""
        return self._patience.keep_trying(self._attempts.has, self._subscription, event)

    def note(self, event: Event, attempt: int) -> None:
        """Note that this attempt has failed, and that another follows. `attempt` counts from 1. The first is noted as
        no counted start, so `begin` adds it as usual; but from then on it is known.
        """
        self._patience.keep_trying(self._attempts.note, self._subscription, event, attempt - 1)

    def end(self, event: Event) -> None:
        """Forget the count: the event is done."""
        self._patience.keep_trying(self._attempts.end, self._subscription, event)

    def end_within(self, event: Event) -> None:
        """Forget the count, as part of the handler's transaction."""
        self._attempts.end(self._subscription, event)

    @property
    def _attempts(self) -> AttemptQuerySet:
        commit_each_statement(self._using)
        return attempts(self._using)
