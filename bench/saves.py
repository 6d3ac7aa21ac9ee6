"""What `save()` costs when it is forwarded, beside the same save of a model that is not."""

from bench.figures import Bar, Figure, at_most, compared
from bench.progress import steps
from bench.run import Run

NAME = "saves"
DATABASES = {"sqlite": "SQLite", "sqlite_normal": "SQLite, synchronous=NORMAL", "default": "PostgreSQL"}
# What stands against what; the bars are the same on both databases.
PAIRS: dict[str, tuple[str, str, Bar | None]] = {
    "10 a transaction": ("forwarded atomic 10", "plain atomic 10", at_most(1.2)),
    "1 a transaction": ("forwarded atomic 1", "plain atomic 1", at_most(1.5)),
    "autocommit, beside one in atomic()": ("forwarded autocommit", "plain atomic 1", None),
    "autocommit": ("forwarded autocommit", "plain autocommit", None),
}


def run(run: Run) -> list[Figure]:
    figures = []
    with steps("save()", len(DATABASES)) as begin:
        for alias, database in DATABASES.items():
            begin(database)
            rounds, transactions = run.size(25, 5), run.size(100, 40)
            taken = run.measure("bench.saving:measure", using=alias, rounds=rounds, transactions=transactions)
            micros = {way: [seconds * 1e6 for seconds in taken[way]] for way in taken}
            for words, (mine, peer, bar) in PAIRS.items():
                name = f"save() forwarded, {database}, {words}"
                figures.append(compared(NAME, name, micros[mine], "plain", micros[peer], unit="µs", bar=bar))
    return figures
