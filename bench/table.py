"""The figures as a table, on the terminal and in Markdown."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from bench.figures import Figure

HEADINGS = ("figure", "", "peer", "", "ratio", "of the rounds", "bar", "")
NUMBERS = (1, 3, 4)
STYLES = {True: "green", False: "bold red", None: ""}


def table(figures: Iterable[Figure]) -> Table:
    """For the terminal."""
    drawn = Table(box=None, pad_edge=False)
    for number, heading in enumerate(HEADINGS):
        drawn.add_column(heading, justify="right" if number in NUMBERS else "left", overflow="fold")
    for figure in figures:
        drawn.add_row(*cells(figure), style=STYLES[figure.is_met])
    return drawn


def markdown(figures: Sequence[Figure]) -> str:
    """For docs/bench.md."""
    rules = ("---:" if number in NUMBERS else "---" for number in range(len(HEADINGS)))
    return "\n".join(_line(row) for row in (HEADINGS, rules, *map(cells, figures)))


def cells(figure: Figure) -> tuple[str, ...]:
    value, peer_value = figure.shown
    spread = f"{ratio(figure.lowest)} to {ratio(figure.highest)}" if figure.lowest != figure.highest else ""
    bar = str(figure.bar) if figure.bar else ""
    return figure.name, value, figure.peer, peer_value, ratio(figure.ratio), spread, bar, figure.verdict


def ratio(value: float) -> str:
    """With as many digits as mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
