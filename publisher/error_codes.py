"""What a database calls its errors, whatever the driver: Django hands on the text, and the driver's own as cause."""

from collections.abc import Container


def has_code(exc: BaseException, codes: Container[object]) -> bool:
    """Whether it is one of these: SQLSTATEs of PostgreSQL, by psycopg or psycopg2, and numbers of MySQL."""
    cause = exc.__cause__
    found = (getattr(cause, "sqlstate", None), getattr(cause, "pgcode", None), *exc.args[:1])
    return any(code is not None and code in codes for code in found)
