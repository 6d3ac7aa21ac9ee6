"""What the demo shows on the terminal."""

from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from project.demo.lines import Answered, Dead, Failed, Handled
from project.demo.tally import Summary
from project.demo.visitors import Deed

DEEDS: Mapping[str, str] = {
    "comment": "comments on “{about}”",
    "refused": "is refused a comment on “{about}”: the site asked before it saved anything",
    "flag": "flags a comment as {about}",
    "login": "logs in",
    "logout": "logs out",
}

MEANINGS = (
    "dead: letters that are left, of those that were made. ms: from the signal to the handler's first attempt; "
    "what was tried again is not counted."
)


class Report:
    def __init__(self, *, to_stderr: bool) -> None:
        self._console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)

    def step(self, text: str) -> None:
        self._console.print(f"[dim]{escape(text)}[/]")

    def addresses(self, addresses: Mapping[str, str]) -> None:
        for name, address in addresses.items():
            self._console.print(f"  {name:<10} [link={address}]{escape(address)}[/link]")
        self._console.print()

    def deed(self, deed: Deed) -> None:
        text = DEEDS[deed.kind].format(about=deed.about)
        self._console.print(f"[bold]{escape(deed.visitor)}[/] {escape(text)}")

    def reaction(self, handled: Handled, outcome: str, troubles: int) -> None:
        style = {"published": "green", "spam": "red"}.get(outcome.rpartition(" ")[2], "dim")
        again = f" [bold green](attempt {troubles + 1})[/]" if troubles else ""
        self._line(f"{handled.lag_ms:.1f} ms", handled.handler, f"[{style}]{escape(outcome)}[/]{again}")

    def answered(self, answered: Answered) -> None:
        self._line(f"{answered.lag_ms:.1f} ms", answered.handler, f"[dim]asked, answered in {answered.ms:.1f} ms[/]")

    def failed(self, failed: Failed) -> None:
        what = f"{failed.exception.rpartition('.')[2]}, tries again in {failed.next_seconds:.1f} s"
        self._line("failed", failed.handler, f"[yellow]{escape(what)}[/]")

    def dead(self, dead: Dead) -> None:
        self._line("dead letter", dead.handler, f"[bold red]{escape(dead.reason.partition(':')[0])}[/]")

    def _line(self, first: str, handler: str, rest: str) -> None:
        self._console.print(f"  {first:>11}  [cyan]{handler:<13}[/]  {rest}")

    def summary(self, summary: Summary) -> None:
        self._console.print()
        self._console.print(_counts(summary))
        self._console.print(_subscriptions(summary))
        self.step(MEANINGS)

    def end(self, left: Sequence[str]) -> None:
        if left:
            self.step(f"Queues that are left, since another consumer is at work: {', '.join(left)}.")
        self.step("The broker stays up. Where `make` started it, `make broker-stop` stops it.")

    def missing(self, missing: Iterable[str]) -> None:
        for each in missing:
            self._console.print(f"[bold red]missing:[/] {escape(each)}")

    def error(self, text: str) -> None:
        self._console.print(f"[bold red]{escape(text)}[/]")


def _counts(summary: Summary) -> Table:
    table = _table("forwarded", "published", "handled", "dead", "unroutable", "p50 ms", "p99 ms", "seconds")
    dead = f"{summary.dead} of {summary.died}" if summary.died else "0"
    counts = (summary.forwarded, summary.published, summary.handled, dead, summary.unroutable)
    table.add_row(*map(str, (*counts, summary.p50_ms, summary.p99_ms, summary.seconds)))
    return table


def _subscriptions(summary: Summary) -> Table:
    table = _table("subscription", "events", "handled", "p50 ms", "p99 ms")
    for each in summary.subscriptions:
        table.add_row(each.handler, *map(str, (each.expected, each.handled, each.p50_ms, each.p99_ms)))
    return table


def _table(*columns: str) -> Table:
    return Table(*columns, box=SIMPLE_HEAD, collapse_padding=True)
