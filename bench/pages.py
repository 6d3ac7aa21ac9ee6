"""What it costs a page view that every signal is forwarded, beside the same view when none is."""

from bench.figures import Figure, compared
from bench.progress import steps
from bench.run import Run

NAME = "pages"
PAGES = {"read": "20 rows read", "write": "20 rows read, 1 saved"}
WAYS = {"outbox": '"*"', "direct": '"*", delivered directly'}


def run(run: Run) -> list[Figure]:
    with steps("Page views", 1) as begin:
        begin('of a site under FORWARD = ["*"]')
        taken = run.measure("bench.paging:measure", rounds=run.size(25, 7), views=run.size(200, 60))
    return [
        compared(
            NAME,
            f"page view under {words}, {PAGES[page]}",
            [seconds * 1e6 for seconds in taken[f"{page} {way}"]],
            "nothing forwarded",
            [seconds * 1e6 for seconds in taken[f"{page} none"]],
            unit="µs",
        )
        for page in PAGES
        for way, words in WAYS.items()
    ]
