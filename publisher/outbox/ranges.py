"""Ids in SQL, as ranges of the index where they lie close together."""

from collections.abc import Collection, Iterable

# More runs than this are cheaper to list.
MOST_RUNS = 20


def first_rows(columns: str, name: str, besides: Collection[int], most: int, condition: str) -> str:
    """The first rows but these: between them by ranges of the index, which `NOT IN` would walk through."""
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
    found = runs(ids)
    if len(found) > MOST_RUNS:
        return f"id IN ({literals(ids)})"
    return " OR ".join(f"id BETWEEN {low} AND {high}" for low, high in found)


def deletion(name: str, ids: Collection[int], vendor: str) -> str:
    """Deletes these rows, and waits for no other: there may be one beside them whose transaction has yet to commit.

    MySQL and MariaDB lock each row that they look at, also the one after a range, at which they see that it is over: a
    limit ends the search before that, and a join looks up each id by itself.
    https://dev.mysql.com/doc/refman/8.4/en/innodb-locks-set.html
    """
    if vendor != "mysql":
        return f"DELETE FROM {name} WHERE {among(ids)}"
    return f"DELETE FROM {name} {limit}" if (limit := _limited(ids)) else f"DELETE o FROM {_looked_up(name, ids)}"


def selection(columns: str, name: str, ids: Collection[int], vendor: str) -> str:
    """Reads these rows for an INSERT, which locks them at some isolation levels, and waits for no other either."""
    if vendor != "mysql":
        return f"SELECT {columns} FROM {name} WHERE id IN ({literals(ids)})"
    rows = f"{name} {limit}" if (limit := _limited(ids)) else _looked_up(name, ids)
    return f"SELECT {columns} FROM {rows}"


def _limited(ids: Collection[int]) -> str:
    """Where they are one run; empty where not."""
    return f"WHERE {among(ids)} ORDER BY id LIMIT {len(set(ids))}" if len(runs(ids)) == 1 else ""


def _looked_up(name: str, ids: Collection[int]) -> str:
    listed = " UNION ALL ".join(f"SELECT {number} AS number" for number in sorted(set(ids)))
    return f"({listed}) ids STRAIGHT_JOIN {name} o FORCE INDEX (PRIMARY) ON o.id = ids.number"


def literals(ids: Iterable[int]) -> str:
    # Thousands of parameters would cost more than the rows: integers need no quoting.
    return ",".join(map(str, map(int, ids)))


def runs(ids: Collection[int]) -> list[tuple[int, int]]:
    """Ids as runs of consecutive ones: no id that is not among them lies within one.

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
