"""Show the exchange, queues and bindings: what the code asks for against what the broker has."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser

from consumers.arguments import queue_name
from consumers.bindings import topology_of
from consumers.command_errors import command_errors
from consumers.discovery import chosen, discover
from consumers.drift import LEFT_OVER, UNKNOWN, Compared, bindings_on_broker, compared, differs, is_refused
from consumers.exceptions import BindingsUnknown
from consumers.handler import Handler
from consumers.retiring import check_is_bound, check_retirable, check_takes_over, cut_off, deletable, hand_over
from publisher import conf
from publisher.commands import BridgeCommand
from publisher.terminal import add_format, show
from publisher.wire.connection import MISSING, Connection
from publisher.wire.exit_codes import EXIT_USAGE
from publisher.wire.printable import printable
from publisher.wire.topology import Binding, events_exchange
from publisher.wire.translation import PERMISSIONS_HINT

LEFT_OVER_HINTS = {
    "queue": "`manage.py topology --retire QUEUE --into HANDLER` unbinds such a queue, and moves what is in it; "
    "`--delete QUEUE` deletes one that is empty.",
    "binding": "A key that was taken out of the code stays bound: unbind it in the console.",
}
RETIRED_HINT = (
    "Events that wait for their next attempt still come back to the queue: run this again after the longest delay of "
    "its handler. Once the queue is empty, it can be deleted: `manage.py topology --delete QUEUE`."
)


class Command(BridgeCommand):
    help = (
        "Shows the exchange, queues and bindings that this project's handlers need, whether the broker has them, and "
        "what is left over from handlers that are gone. Bindings are read through the console's API: set "
        "MANAGEMENT_URL for it. `--retire` unbinds the queue of a handler that was renamed or deleted, `--into` moves "
        "its events to another handler, and `--delete` deletes the queue."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--declare", action="store_true", help="make what is missing on the broker")
        parser.add_argument("--check", action="store_true", help="exit 1 when something is missing or differs")
        parser.add_argument(
            "--retire",
            type=queue_name,
            metavar="QUEUE",
            help="unbind a queue that is left over, so that it gets no more events",
        )
        parser.add_argument(
            "--into", metavar="HANDLER", help="with --retire: move the queue's events and dead letters to this handler"
        )
        parser.add_argument(
            "--delete", type=queue_name, nargs="+", metavar="QUEUE",
            help="delete queues that are left over, with those of their dead letters, if they are empty and have no "
            "consumers",
        )  # fmt: skip
        add_format(parser)

    def handle(self, *args: Any, declare: bool, check: bool, format: str, **options: Any) -> None:
        queue, into, delete = options["retire"], options["into"], options["delete"]
        if (into and not queue) or sum(map(bool, (queue, delete, declare or check))) > 1:
            raise CommandError(
                "--into goes with --retire; --retire and --delete go with no other option.", returncode=EXIT_USAGE
            )
        with command_errors():
            handlers = discover()
            with Connection(conf.broker_url(), "topology") as connection:
                if queue:
                    self._retire(queue, chosen(handlers, [into])[0] if into else None, handlers, connection, format)
                elif delete:
                    self._delete(delete, handlers, connection)
                else:
                    self._show(handlers, connection, declare=declare, check=check, format=format)

    def _retire(
        self, queue: str, into: Handler | None, handlers: Sequence[Handler], connection: Connection, format: str
    ) -> None:
        check_retirable(queue, handlers, connection)
        if into:
            check_takes_over(into)
        try:
            found = bindings_on_broker()
        except BindingsUnknown as exc:
            raise CommandError(f"The bindings of {queue} are not known: {exc}.", returncode=1) from exc
        if into:
            check_is_bound(into, found)
        for binding in cut_off(queue, found, connection):
            self.stderr.write(printable(f"Unbound from {queue}: {binding.exchange} {binding.key}"))
        if into is None:
            left = connection.count_messages(queue) or 0
            self.stderr.write(f"{queue} gets no more events. It still holds {left}: --into HANDLER moves them.")
            return
        rows = list(hand_over(queue, into, connection))
        show(rows, format, title=f"Handed over to {into.name}", stdout=self.stdout)
        self.stderr.write(RETIRED_HINT)
        if stay := sum(row.stay for row in rows):
            raise CommandError(
                f"{stay} stay: {into.name} is bound to none of their keys, or the broker did not take the copies, "
                "which may be too large. `manage.py consume --list` shows the handler's keys, "
                "`manage.py topology --check` what is missing."
            )

    def _delete(self, queues: Sequence[str], handlers: Sequence[Handler], connection: Connection) -> None:
        # `deletable` has checked that they are empty: the broker itself cannot check that for quorum queues.
        for queue in deletable(queues, handlers, connection):
            connection.delete_queue(queue)
            self.stdout.write(printable(f"Deleted {queue}."))

    def _show(
        self, handlers: Sequence[Handler], connection: Connection, *, declare: bool, check: bool, format: str
    ) -> None:
        topology = events_exchange(conf.exchange()) + topology_of(handlers)
        if declare:
            connection.declare(topology)
        found, reason = _found_bindings()
        if found is None and declare:
            # The bindings cannot be read, but have just been made.
            found = set(topology.bindings)
        rows = compared(topology, connection, found)
        show(rows, format, title=f"Topology of {conf.service()!r}", stdout=self.stdout)
        unknown = [row for row in rows if row.state == UNKNOWN]
        if left_over := [row for row in rows if row.state == LEFT_OVER]:
            kinds = dict.fromkeys(row.kind for row in left_over)
            hints = (LEFT_OVER_HINTS[kind] for kind in kinds)
            self.stderr.write(" ".join((f"{len(left_over)} left over under this service's name.", *hints)))
        if check and unknown:
            self.stderr.write(f"{len(unknown)} bindings were not checked, nor what is left over: {reason}.")
        problems = list(_problems(rows))
        if unknown and conf.management_url():
            problems.append("The console at MANAGEMENT_URL does not list the bindings.")
        if check and problems:
            raise CommandError(" ".join(problems))


def _found_bindings() -> tuple[set[Binding] | None, str]:
    """The broker's bindings; or None, and why they are not known."""
    try:
        return bindings_on_broker(), ""
    except BindingsUnknown as exc:
        return None, str(exc)


def _problems(rows: list[Compared]) -> Iterator[str]:
    missing = [row for row in rows if row.state == MISSING]
    unlike = [row for row in rows if differs(row)]
    if missing or unlike:
        yield f"{len(missing) + len(unlike)} of {len(rows)} are missing or differ."
    if missing:
        yield "`manage.py topology --declare` makes what is missing."
    if unlike:
        yield "Delete what differs, once the old code has emptied it, and declare it again."
    if refused := sum(map(is_refused, rows)):
        yield f"The broker does not let this user compare {refused} of {len(rows)}: {PERMISSIONS_HINT}."
