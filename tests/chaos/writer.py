"""A writer: an application that saves in every way there is, and notes what it tried and what came of it."""

import time
from collections.abc import Callable
from random import Random
from threading import Event as Flag

from django.db import Error as DatabaseTrouble
from django.db import connection, transaction

from tests.chaos.journal import Journal, Outcome
from tests.chaos.models import Entry
from tests.chaos.schedule import SHARED_ROWS

OWN_ROWS = 12
FEW = 5
BURST = 30
TROUBLE_SECONDS = 0.2


class Undo(Exception):
    """The application changes its mind."""


class Writer:
    """`rate` is about how many saves a second there are, bursts aside. `stop` ends it between two transactions."""

    def __init__(self, name: str, journal: Journal, *, seed: int, rate: float, stop: Flag) -> None:
        self.name = name
        self.journal = journal
        self.random = Random(seed)
        self.pause_seconds = 1 / rate
        self.stop = stop
        self.count = 0

    def run(self) -> None:
        connection.commit = self._slowly(connection.commit)  # type: ignore[method-assign]
        works = {
            self.autocommit: 30,
            self.block: 25,
            self.steps_of_one_row: 20,
            self.rolled_back: 14,
            self.savepoint: 7,
            self.by_hand: 4,
        }
        while not self.stop.is_set():
            [work] = self.random.choices(list(works), list(works.values()))
            try:
                work()
            except DatabaseTrouble:
                # Before COMMIT or in it: the database knows, and is asked in the end.
                connection.close()
                self.stop.wait(TROUBLE_SECONDS)

    def autocommit(self) -> None:
        self.journal.note(Outcome.COMMITTED, self._save(self._own_row()))

    def block(self) -> None:
        with transaction.atomic():
            labels = self._saves()
        self.journal.note(Outcome.COMMITTED, *labels)

    def steps_of_one_row(self) -> None:
        row = self._own_row()
        for _ in range(self.random.randint(2, FEW)):
            self.journal.note(Outcome.COMMITTED, self._save(row))

    def rolled_back(self) -> None:
        labels: list[str] = []
        try:
            with transaction.atomic():
                labels += self._saves()
                raise Undo
        except Undo:
            self.journal.note(Outcome.ROLLED_BACK, *labels)

    def savepoint(self) -> None:
        undone: list[str] = []
        with transaction.atomic():
            kept = self._saves()
            try:
                with transaction.atomic():
                    undone += self._saves()
                    raise Undo
            except Undo:
                kept += self._saves()
        self.journal.note(Outcome.COMMITTED, *kept)
        self.journal.note(Outcome.ROLLED_BACK, *undone)

    def by_hand(self) -> None:
        transaction.set_autocommit(False)
        labels = self._saves()
        if self.random.random() < 0.5:
            transaction.commit()
            self.journal.note(Outcome.COMMITTED, *labels)
        else:
            transaction.rollback()
            self.journal.note(Outcome.ROLLED_BACK, *labels)
        transaction.set_autocommit(True)

    def _saves(self) -> list[str]:
        """Some saves of some rows, at times one that others save too; now and then very many."""
        if self.random.random() < 0.1:
            rows = self._own_rows(FEW)
            return [
                self._save(self.random.choice(rows), hurried=True) for _ in range(self.random.randint(1, 4) * BURST)
            ]
        rows = self._own_rows(self.random.randint(1, FEW))
        # SQLite locks no row: outside of a block, which takes the whole file, one writer would undo another's save.
        can_lock = connection.features.has_select_for_update or connection.in_atomic_block
        if self.random.random() < 0.4 and can_lock:
            # One at most, so that two writers never wait for each other.
            rows.insert(self.random.randrange(len(rows)), self._shared_row())
        return [self._save(row) for row in rows]

    def _save(self, row: Entry, *, hurried: bool = False) -> str:
        if not hurried:
            time.sleep(self.random.expovariate(1 / self.pause_seconds))
        self.count += 1
        row.label = f"{self.name}:{self.count}"
        row.labels = [*row.labels, row.label]
        self.journal.note(Outcome.ATTEMPTED, row.label)
        row.save()
        return row.label

    def _own_rows(self, most: int) -> list[Entry]:
        """None twice: a second instance would not know of the first one's saves."""
        rows = [self._own_row() for _ in range(most)]
        return list({row.pk or id(row): row for row in rows}.values())

    def _own_row(self) -> Entry:
        mine = Entry.objects.filter(writer=self.name).order_by("-pk")
        number = self.random.randint(0, OWN_ROWS)
        return mine[number : number + 1].first() or Entry(writer=self.name)

    def _shared_row(self) -> Entry:
        return Entry.objects.select_for_update().get(pk=self.random.randint(1, SHARED_ROWS))

    def _slowly(self, commit: Callable[[], None]) -> Callable[[], None]:
        """At times COMMIT takes long, after the outbox has its rows: ids become visible out of their order.

        At times it is long over before the writer hears of it: whoever dies then has done nothing that comes after.
        """

        def slow_commit() -> None:
            self._dawdle()
            commit()
            self._dawdle()

        return slow_commit

    def _dawdle(self) -> None:
        if self.random.random() < 0.1:
            time.sleep(self.random.uniform(0.02, 0.15))
