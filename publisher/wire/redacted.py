"""What is left of a value that was not to leave as it is."""

from typing import NoReturn

from publisher.wire.codec import decodes
from publisher.wire.errors import RedactedValue
from publisher.wire.registry import HASHED, MASKED


class Redacted(str):
    """Text in the place of a value. To write it to a database, or to look for it there, is an error."""

    __slots__ = ()

    def resolve_expression(self, *args: object, **kwargs: object) -> NoReturn:
        """What Django asks of a value before it puts it into a query. Raises RedactedValue."""
        raise RedactedValue


def _redacted(plain: object, argument: str) -> object:
    return Redacted(plain) if isinstance(plain, str) else plain


decodes(MASKED)(_redacted)
decodes(HASHED)(_redacted)
