"""The ratios as a chart, in SVG: each against its bar, which is the same line for all."""

from collections.abc import Sequence
from html import escape

from bench.figures import Figure
from bench.table import ratio

WIDTH, MARGIN, ROW, TITLE = 880, 24, 34, 52
TRACK_X, TRACK_WIDTH, BAR_HEIGHT = 430, 250, 14
VALUE_X = TRACK_X + TRACK_WIDTH + 16
# The bar's line is in the middle of the track, which ends at twice the bar.
MOST = 2.0

STYLE = """
    .card { fill: #ffffff; stroke: #d0d7de }
    text { fill: #1f2328; font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
    .title { font-size: 15px; font-weight: 600 }
    .quiet { fill: #59636e; font-size: 12px }
    .track { fill: #eff2f5 }
    .met { fill: #1a7f64 }
    .missed { fill: #c4501b }
    .line { stroke: #1f2328; stroke-width: 1.5 }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0d1117; stroke: #3d444d }
      text { fill: #f0f6fc }
      .quiet { fill: #9198a1 }
      .track { fill: #21262d }
      .met { fill: #3fb68b }
      .missed { fill: #f0883e }
      .line { stroke: #f0f6fc }
    }
"""


def chart(figures: Sequence[Figure]) -> str:
    """Of the figures that have a bar: those that must reach it, then those that must stay below it."""
    groups = {
        "More is better: to reach the line": [figure for figure in figures if figure.bar and figure.bar.is_least],
        "Less is better: to stay left of the line": [
            figure for figure in figures if figure.bar and not figure.bar.is_least
        ],
    }
    parts: list[str] = []
    y = MARGIN
    for title, members in groups.items():
        if members:
            parts += _group(title, members, y)
            y += TITLE + ROW * len(members)
    return _document("\n".join(parts), height=y + MARGIN // 2)


def _group(title: str, figures: Sequence[Figure], y: int) -> list[str]:
    line_x = TRACK_X + TRACK_WIDTH / MOST
    top, bottom = y + TITLE - 18, y + TITLE + ROW * len(figures) - 12
    rows = [_row(figure, y + TITLE + ROW * number) for number, figure in enumerate(figures)]
    return [
        _text(MARGIN, y + 18, title, "title"),
        *rows,
        f'<line class="line" x1="{line_x:g}" x2="{line_x:g}" y1="{top}" y2="{bottom}"/>',
        _text(line_x, top - 6, "the bar", "quiet", anchor="middle"),
    ]


def _row(figure: Figure, y: int) -> str:
    if figure.bar is None:
        return ""
    width = TRACK_WIDTH * min(figure.ratio / figure.bar.bound, MOST) / MOST
    kind = "met" if figure.is_met else "missed"
    words = f"{ratio(figure.ratio)}  ({figure.bar})" + ("" if figure.is_met else "  not met")
    return "\n".join(
        (
            _text(MARGIN, y - 1, figure.name),
            _text(MARGIN, y + 13, f"beside {figure.peer}", "quiet"),
            f'<rect class="track" x="{TRACK_X}" y="{y - 8}" width="{TRACK_WIDTH}" height="{BAR_HEIGHT}" rx="3"/>',
            f'<rect class="{kind}" x="{TRACK_X}" y="{y - 8}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="3"/>',
            _text(VALUE_X, y + 4, words),
        )
    )


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def _document(inside: str, height: int) -> str:
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    title = "Signal Bridge beside its peers: the ratios of make bench against their bars"
    card = f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n{card}\n{inside}\n</svg>\n"
    )
