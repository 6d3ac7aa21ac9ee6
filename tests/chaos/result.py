"""What came of a run, and whether that is what was promised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.faults import Occurrence
from tests.chaos.schedule import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One promise: what was counted, and how much of it may be."""

    what: str
    number: float
    most: float = 0

    @property
    def is_kept(self) -> bool:
        return self.number <= self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a scenario found: how much there was, what was promised of it, and who is behind what was not kept."""

    counts: Mapping[str, int]
    lines: Sequence[Line]
    accused: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run of one scenario."""

    scenario: str
    servers: str
    seed: int
    seconds: float
    occurrences: Sequence[Occurrence]
    findings: Findings

    @property
    def is_clean(self) -> bool:
        return all(line.is_kept for line in self.findings.lines)

    @property
    def kinds(self) -> list[Kind]:
        """Of the faults that happened."""
        happened = {occurrence.kind for occurrence in self.occurrences}
        return [kind for kind in Kind if kind in happened]

    def of_kind(self, kind: Kind) -> list[Occurrence]:
        return [occurrence for occurrence in self.occurrences if occurrence.kind is kind]


def recoveries(occurrences: Sequence[Occurrence]) -> list[float]:
    """How long they took, the shortest first."""
    return sorted(each.recovery_seconds for each in occurrences if each.recovery_seconds is not None)
