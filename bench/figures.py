"""A figure: what was measured beside a peer, and the bar for their ratio."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What the ratio should reach, or stay under."""

    bound: float
    is_least: bool

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.bound if self.is_least else ratio <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.bound:g}"


def at_least(bound: float) -> Bar:
    return Bar(bound=bound, is_least=True)


def at_most(bound: float) -> Bar:
    return Bar(bound=bound, is_least=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`ratio` is the median of the rounds' ratios, `lowest` and `highest` are theirs; without a bar it informs."""

    benchmark: str
    name: str
    value: float
    peer: str
    peer_value: float
    unit: str
    ratio: float
    lowest: float
    highest: float
    bar: Bar | None = None

    @property
    def is_met(self) -> bool | None:
        return self.bar.is_met(self.ratio) if self.bar else None

    @property
    def verdict(self) -> str:
        return {None: "", True: "met", False: "not met"}[self.is_met]

    @property
    def shown(self) -> tuple[str, str]:
        """Both values with their unit."""
        return f"{amount(self.value)} {self.unit}", f"{amount(self.peer_value)} {self.unit}"

    @property
    def plain(self) -> dict[str, Any]:
        """For JSON."""
        fields = ("benchmark", "name", "value", "peer", "peer_value", "unit", "ratio", "lowest", "highest")
        return {
            **{field: getattr(self, field) for field in fields},
            "bar": self.bar and str(self.bar),
            "met": self.is_met,
        }


def compared(
    benchmark: str,
    name: str,
    values: Sequence[float],
    peer: str,
    peer_values: Sequence[float],
    *,
    unit: str,
    bar: Bar | None = None,
) -> Figure:
    """The figure of two that took turns: each round's value is set against the peer's of the same round."""
    ratios = [value / other for value, other in zip(values, peer_values, strict=True)]
    return Figure(
        benchmark=benchmark,
        name=name,
        value=median(values),
        peer=peer,
        peer_value=median(peer_values),
        unit=unit,
        ratio=median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        bar=bar,
    )


def within(benchmark: str, name: str, value: float, limit: float, *, unit: str) -> Figure:
    """The figure of what must not exceed a limit."""
    ratio = value / limit
    return Figure(
        benchmark=benchmark,
        name=name,
        value=value,
        peer="limit",
        peer_value=limit,
        unit=unit,
        ratio=ratio,
        lowest=ratio,
        highest=ratio,
        bar=at_most(1),
    )


def amount(value: float) -> str:
    """Three digits at least, with thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
