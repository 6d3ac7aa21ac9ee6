"""Recognises a database's errors by their codes, which are in the driver's exception: the cause of Django's."""

from collections.abc import Container


def has_code(exc: BaseException, codes: Container[object]) -> bool:
    """Whether the error has one of these codes: SQLSTATEs (psycopg 3 or 2), or MySQL's numbers."""
    cause = exc.__cause__
    found = (getattr(cause, "sqlstate", None), getattr(cause, "pgcode", None), *exc.args[:1])
    return any(code is not None and code in codes for code in found)
