"""What a handler gets for a masked or hashed value."""

from typing import NoReturn

from publisher.wire.codec import decodes
from publisher.wire.errors import RedactedValue
from publisher.wire.registry import HASHED, MASKED


class Redacted(str):
    """Text in the place of a value. Using it in a query, to save it or to look for it, is an error."""

    __slots__ = ()

    def resolve_expression(self, *args: object, **kwargs: object) -> NoReturn:
        """Django calls this before it puts a value into a query. Raises RedactedValue."""
        raise RedactedValue


def _redacted(plain: object, argument: str) -> object:
    return Redacted(plain) if isinstance(plain, str) else plain


decodes(MASKED)(_redacted)
decodes(HASHED)(_redacted)
