"""SQL that finds rows by their ids: where ids are consecutive, as ranges of the index."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from django.db import connections, models

Item = TypeVar("Item")
# More ranges than this take longer than a list of ids.
MOST_RUNS = 20


def table(queryset: "models.QuerySet[Any]") -> str:
    """The quoted name of the queryset's table."""
    return connections[queryset.db].ops.quote_name(queryset.model._meta.db_table)


def chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """`itertools.batched`, which Python 3.11 does not have."""
    return (items[start : start + size] for start in range(0, len(items), size))


def first_rows(columns: str, name: str, besides: Collection[int], most: int, condition: str) -> str:
    """The SELECT of the first `most` rows by id, without the ids in `besides`.

    It reads the gaps between those ids, each a range of the index. `NOT IN` would walk over all rows that are left out,
    and is for many gaps only.
    """
    found = runs(besides)
    if len(found) > MOST_RUNS:
        where = " AND ".join(filter(None, [f"id NOT IN ({literals(besides)})", condition]))
        return f"SELECT {columns} FROM {name} WHERE {where} ORDER BY id LIMIT {most}"
    lows = [None, *(high for _, high in found)]
    highs = [*(low for low, _ in found), None]
    gaps = [_gap(low, high, condition) for low, high in zip(lows, highs, strict=True)]
    selects = [f"SELECT {columns} FROM {name} {gap} ORDER BY id LIMIT {most}" for gap in gaps]
    if len(selects) == 1:
        return selects[0]
    union = " UNION ALL ".join(f"SELECT * FROM ({select}) gap{n}" for n, select in enumerate(selects))
    return f"SELECT * FROM ({union}) gaps ORDER BY id LIMIT {most}"


def among(ids: Collection[int]) -> str:
    """The condition that a row has one of these ids."""
    found = runs(ids)
    if len(found) > MOST_RUNS:
        return f"id IN ({literals(ids)})"
    return " OR ".join(f"id BETWEEN {low} AND {high}" for low, high in found)


def deletion(name: str, ids: Collection[int], vendor: str) -> str:
    """The DELETE of these rows. It never waits for another row's lock, which a writer may hold until it commits.

    MySQL and MariaDB lock every row that they look at, also the one after a range, where they see that the range has
    ended. A LIMIT ends the search before that row; a join looks up each id by itself.
    https://dev.mysql.com/doc/refman/8.4/en/innodb-locks-set.html
    """
    if vendor != "mysql":
        return f"DELETE FROM {name} WHERE {among(ids)}"
    return f"DELETE FROM {name} {limit}" if (limit := _limited(ids)) else f"DELETE o FROM {_looked_up(name, ids)}"


def selection(columns: str, name: str, ids: Collection[int], vendor: str) -> str:
    """The SELECT of these rows for an INSERT, which locks what it reads at some isolation levels of MySQL.

    Like `deletion`, it does not look at any other row.
    """
    if vendor != "mysql":
        return f"SELECT {columns} FROM {name} WHERE id IN ({literals(ids)})"
    rows = f"{name} {limit}" if (limit := _limited(ids)) else _looked_up(name, ids)
    return f"SELECT {columns} FROM {rows}"


def _limited(ids: Collection[int]) -> str:
    """The WHERE and LIMIT for ids that are consecutive; empty for others."""
    return f"WHERE {among(ids)} ORDER BY id LIMIT {len(set(ids))}" if len(runs(ids)) == 1 else ""


def _looked_up(name: str, ids: Collection[int]) -> str:
    listed = " UNION ALL ".join(f"SELECT {number} AS number" for number in sorted(set(ids)))
    return f"({listed}) ids STRAIGHT_JOIN {name} o FORCE INDEX (PRIMARY) ON o.id = ids.number"


def literals(ids: Iterable[int]) -> str:
    # Not as parameters: thousands of them would cost more than the rows. Integers need no quoting.
    return ",".join(map(str, map(int, ids)))


def runs(ids: Collection[int]) -> list[tuple[int, int]]:
    """The ids as (first, last) of each run of consecutive ones.

    >>> runs([7, 1, 2, 3, 8, 12])
    [(1, 3), (7, 8), (12, 12)]
    """
    ordered = sorted(set(ids))
    if ordered and ordered[-1] - ordered[0] + 1 == len(ordered):
        return [(ordered[0], ordered[-1])]
    found: list[tuple[int, int]] = []
    for number in ordered:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _gap(low: int | None, high: int | None, condition: str) -> str:
    bounds = [f"id > {low}" if low is not None else "", f"id < {high}" if high is not None else "", condition]
    where = " AND ".join(filter(None, bounds))
    return f"WHERE {where}" if where else ""
