"""A result as a table for people or JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tests.chaos.result import Line, Result, recoveries
from tests.chaos.schedule import Kind

SHOWN = 8


def tables(result: Result) -> Group:
    """What happened, what was promised, and the accused, if any."""
    return Group(_flow(result), _faults(result), _promises(result), *_accused(result))


def as_json(results: Sequence[Result]) -> str:
    return json.dumps({"clean": all(result.is_clean for result in results), "runs": list(map(_run, results))}, indent=2)


def conclusion(result: Result) -> str:
    """In one line."""
    broken = [line.what for line in result.findings.lines if not line.is_kept]
    kept = f"BROKEN: {'; '.join(broken)}" if broken else "all promises kept"
    count = len(result.occurrences)
    return f"{result.scenario}: {kept}; {count} faults, {result.servers}, seed {result.seed}, {result.seconds:.0f} s"


def fault_row(result: Result, kind: Kind) -> dict[str, Any]:
    of_kind = result.of_kind(kind)
    seconds = recoveries(of_kind)
    return {
        "fault": kind.value,
        "times": len(of_kind),
        "at_stake_most": max(occurrence.backlog for occurrence in of_kind),
        "recovery_seconds_median": round(median(seconds), 2) if seconds else None,
        "recovery_seconds_most": round(seconds[-1], 2) if seconds else None,
    }


def accused(result: Result) -> dict[str, list[str]]:
    """The labels, or the processes, behind each promise that was broken."""
    return {what: list(labels) for what, labels in result.findings.accused.items() if labels}


def _run(result: Result) -> dict[str, Any]:
    return {
        "scenario": result.scenario,
        "servers": result.servers,
        "seed": result.seed,
        "seconds": round(result.seconds, 1),
        "clean": result.is_clean,
        "events": dict(result.findings.counts),
        "faults": [fault_row(result, kind) for kind in result.kinds],
        "promises": [_promise(line) for line in result.findings.lines],
        "accused": accused(result),
    }


def _promise(line: Line) -> dict[str, Any]:
    return {"what": line.what, "number": round(line.number, 2), "most": line.most, "kept": line.is_kept}


def _flow(result: Result) -> Table:
    title = f"{result.scenario}, seed {result.seed}, {result.servers}, {result.seconds:.0f} seconds"
    table = _table(title, "events", "number")
    for what, number in result.findings.counts.items():
        table.add_row(what, f"{number:,}")
    return table


def _faults(result: Result) -> Table:
    headings = ("fault", "times", "at stake, most", "recovery s, median", "longest")
    table = _table(f"{len(result.occurrences)} faults", *headings)
    for kind in result.kinds:
        table.add_row(*("-" if value is None else str(value) for value in fault_row(result, kind).values()))
    return table


def _promises(result: Result) -> Table:
    table = _table("Kept" if result.is_clean else "BROKEN", "promise", "number", "at most", "")
    for line in result.findings.lines:
        mark = Text("kept", style="green") if line.is_kept else Text("BROKEN", style="bold red")
        table.add_row(line.what, f"{round(line.number, 1):,}", f"{line.most:,g}", mark)
    return table


def _accused(result: Result) -> Iterable[Text]:
    for what, labels in accused(result).items():
        more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
        yield Text(f"{what}: {', '.join(labels[:SHOWN])}{more}", style="red")


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    return table
