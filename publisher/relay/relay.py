"""The relay's life: it gets a lease, connects, and runs a session; when that ends, it starts again."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Event as Flag

from django.db import Error as DatabaseTrouble
from django.db import connections

from publisher import conf
from publisher.alive import AliveFile
from publisher.atomicity import commit_each_statement
from publisher.outbox.postgres import read_committed
from publisher.outbox.waiting import WaitingRow, outbox
from publisher.relay.care import Care
from publisher.relay.leases import STANDBY_SECONDS, Leases
from publisher.relay.patience import Patience
from publisher.relay.session import DELETE_SECONDS, Session
from publisher.relay.wakeup import Wakeup, wakeup
from publisher.relay.wanted import Wanted
from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerUnavailable, MessageRefused
from publisher.wire.lifecycle import connect_patiently
from publisher.wire.loop import Loop
from publisher.wire.pause import Pause
from publisher.wire.sender import WINDOW, Outcome, Sender
from publisher.wire.topology import published_to

logger = logging.getLogger("publisher.relay")

BUSY_SECONDS = 0.02
IDLE_SECONDS = 0.5
CONFIRM_SECONDS = 30.0
STOP_SECONDS = 5.0
ALARM_SECONDS = 0.5
DRY_SECONDS = 0.2
REPORT_SECONDS = 30.0


class Relay:
    """The relay of one database. `stop` may be set from a signal handler or from another thread."""

    def __init__(self, using: str, *, stop: Flag | None = None, alive_file: Path | None = None) -> None:
        self.using = using
        self.stop = stop or Flag()
        self.tally: Counter[Outcome] = Counter()
        self.loop = Loop()
        self.leases = Leases(using, conf.shards())
        self.care = Care(most=WINDOW, window=WINDOW)
        self.patience = Patience(using, self.stop)
        self.pause = Pause(self.stop)
        self.wanted = Wanted()
        self.alive = AliveFile(alive_file)
        self._reported: Counter[Outcome] = Counter()
        self._reported_at = self._rated_at = time.monotonic()
        self._rated = 0

    def run(self, *, once: bool = False) -> None:
        """Relays until `stop` is set or, with `once`, until the outbox is empty.

        Waits for a broker or a database that is away, and for a lease that another relay holds. With `once`, that
        relay may empty the outbox meanwhile. Raises BrokerRefused when waiting would not help.
        """
        try:
            self._run(self._is_empty if once else lambda: False)
        finally:
            self._give_up()
            self.loop.close()

    def _run(self, is_done: Callable[[], bool]) -> None:
        while not self.stop.is_set():
            self.alive.touch()
            settled = self.tally.total()
            try:
                commit_each_statement(self.using)
                read_committed(connections[self.using])
                if not self._stand_by(is_done):
                    break
                if self._relay(is_done):
                    self.patience.over()
                    break
            except BrokerUnavailable as exc:
                logger.warning("connection lost: %s", exc)
                self._pause(was_of_use=self.tally.total() > settled)
            except DatabaseTrouble as exc:
                self.patience.wait(exc)
        self._report()

    def _pause(self, *, was_of_use: bool) -> None:
        """Pause before the next session, ever longer; not at all if the last session settled some rows."""
        if was_of_use:
            self.pause.over()
        else:
            self.pause.wait()

    def _stand_by(self, is_done: Callable[[], bool]) -> bool:
        """Wait for a lease. False when there is nothing to do, or the relay is to stop."""
        waiting = False
        while not self.stop.is_set():
            self.alive.touch()
            self.leases.renew()
            if self.leases.held:
                logger.info("lease held=%s of=%d database=%s", sorted(self.leases.held), self.leases.shards, self.using)
                return True
            self.patience.over()
            if is_done():
                return False
            if not waiting:
                logger.info("standing by: another relay has the lease database=%s", self.using)
                waiting = True
                self._look_at_broker()
            self.stop.wait(STANDBY_SECONDS)
        return False

    def _look_at_broker(self) -> None:
        """Raises BrokerRefused now, not only when this relay takes over. A broker that is away may be back by then."""
        with suppress(BrokerUnavailable), Connection(conf.broker_url(), "relay", self.loop):
            pass

    def _relay(self, is_done: Callable[[], bool]) -> bool:
        """Connect and relay. True when all work is done; False when a new session is needed."""
        connection = connect_patiently(
            conf.broker_url, "relay", stop=self.stop, loop=self.loop, on_attempt=self.alive.touch
        )
        if connection is None:
            return True
        with connection:
            connection.declare(published_to(conf.exchange()))
            with closing(wakeup(self.using, self.loop)) as news:
                sender: Sender[WaitingRow] = Sender(connection, conf.exchange())
                care = self.care.holding(self.leases.held)
                session = Session(self.using, self.leases, sender, care, self.tally, self.wanted)
                return self._serve(session, news, is_done)

    def _serve(self, session: Session, news: Wakeup, is_done: Callable[[], bool]) -> bool:
        try:
            while not self.stop.is_set():
                self.alive.touch()
                if not self._keep_lease(session):
                    return False
                has_more = session.send_waiting()
                if not has_more and not session.sender.in_flight and is_done():
                    return True
                may_wait = not (has_more or news.missed())
                session.sender.poll(self._pause_seconds(session, news) if may_wait else 0)
                session.settle()
                self._report_when_due(session)
            # Wait for confirms only shortly, and less while an alarm blocks the broker: the next relay sends the rest
            # again.
            self._drain(session, ALARM_SECONDS if session.sender.connection.blocked else STOP_SECONDS)
            return True
        except MessageRefused as exc:
            self._blame(session, exc)
            return False
        except BrokerUnavailable:
            # Delete what was confirmed before, so that it is not sent again.
            session.settle()
            session.delete()
            raise
        finally:
            self.care = session.care

    def _keep_lease(self, session: Session) -> bool:
        """Renew the lease when it is due. False when the held shards have changed: then a new session begins."""
        if not self.leases.is_due and self.leases.mine == session.shards:
            return True
        self.leases.renew(self._rate())
        if not self.leases.held >= session.shards.held:
            logger.warning("lease lost database=%s", self.using)
            return False
        # Only here, after a session has lasted for a while: an error that ends each session at once must not count as a
        # new wait each time.
        self.patience.over()
        claimed = self.leases.claimed()
        if claimed:
            self._drain(session, CONFIRM_SECONDS)
            self.leases.hand_over(claimed)
        return self.leases.mine == session.shards

    def _drain(self, session: Session, seconds: float) -> None:
        session.sender.flush(seconds)
        session.settle()
        session.delete()

    def _blame(self, session: Session, refused: MessageRefused) -> None:
        """Park the row that the broker refuses, if it is known which one; else have fewer in flight until it is."""
        session.settle()
        session.delete()
        rows: list[WaitingRow] = list(refused.tokens)
        if not rows:
            # No row was in flight, so none can be parked. The next session may fail the same way, so pause before it,
            # as after a lost connection.
            raise BrokerUnavailable(str(refused)) from refused
        if len(rows) == 1:
            session.park(rows[0], str(refused))
        else:
            session.care = session.care.refused([row.id for row in rows])
            logger.warning("one of %d messages was refused, looking for it: %s", len(rows), refused)

    def _pause_seconds(self, session: Session, news: Wakeup) -> float:
        """How long to wait for something to do. Without notifications, the wait grows while nothing comes."""
        if session.has_deletions:
            return DELETE_SECONDS
        if news.is_instant or session.sender.in_flight:
            return IDLE_SECONDS
        return min(max((time.monotonic() - session.worked_at) / 10, BUSY_SECONDS), IDLE_SECONDS)

    def _is_empty(self) -> bool:
        return not outbox(self.using).exists()

    def _rate(self) -> float:
        now, total = time.monotonic(), self.tally[Outcome.CONFIRMED]
        rate = (total - self._rated) / max(now - self._rated_at, 0.001)
        self._rated, self._rated_at = total, now
        return rate

    def _report_when_due(self, session: Session) -> None:
        """Log the counts when the outbox is empty, and now and then while it is not."""
        now = time.monotonic()
        is_dry = not session.sender.in_flight and now - session.worked_at > DRY_SECONDS
        if self.tally != self._reported and (is_dry or now - self._reported_at > REPORT_SECONDS):
            self._report()

    def _report(self) -> None:
        self._reported_at, self._reported = time.monotonic(), self.tally.copy()
        counts = " ".join(f"{outcome.value}={self.tally[outcome]}" for outcome in Outcome)
        logger.info("relayed %s database=%s", counts, self.using)

    def _give_up(self) -> None:
        try:
            self.leases.give_up()
        except DatabaseTrouble as exc:
            logger.warning("lease not given up, it expires by itself: %s", exc)
