"""What the publisher's database says: of the outbox, of the lease, and of what committed."""

from collections.abc import Mapping, Sequence

from tests.chaos.sql import Sql, read


class Ledger(Sql):
    def share(self, count: int) -> None:
        """The rows that all writers save, under the first ids."""
        for _ in range(count):
            self.rows("INSERT INTO chaos_entry (writer, label, labels) VALUES ('', '', '[]')")

    def backlog(self) -> int | None:
        count: int | None = self.value("SELECT count(*) FROM publisher_outboxevent")
        return count

    def waiting(self) -> frozenset[int]:
        """The ids of the events that wait."""
        return frozenset(id for (id,) in self.rows("SELECT id FROM publisher_outboxevent") or ())

    def relay_pid(self) -> int | None:
        """Of the relay that has the lease."""
        holder = self.value(f"SELECT holder FROM publisher_relaylease WHERE expires_at >= {self.now} AND holder <> ''")
        return int(holder.split(":")[1]) if holder else None

    def parked(self) -> int:
        return self.value("SELECT count(*) FROM publisher_parkedevent") or 0

    def unroutable(self) -> int:
        return int(self.value("SELECT sum(count) FROM publisher_unroutablekey") or 0)

    def has(self, label: str) -> bool:
        """Whether this save committed, and no other of its row has since."""
        return bool(self.value("SELECT count(*) FROM chaos_entry WHERE label = %s", label))

    def history(self) -> Mapping[str, Sequence[str]]:
        """The saves of each row that committed, in their order."""
        return {str(key): read(labels) for key, labels in self.rows("SELECT id, labels FROM chaos_entry") or ()}
