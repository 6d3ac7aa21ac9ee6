"""Encodes what may have several values for a key, as a form or a query has: Django's MultiValueDict and QueryDict.

Both are sent as a dict of lists, `{"a": ["1", "2"]}`, which is also what a consumer without Django gets.
"""

from typing import Any

from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from publisher.encoders.hiding import Hidden
from publisher.encoders.objects import encode_named
from publisher.wire.codec import Encoding, decodes, encodes


@encodes(MultiValueDict)
def encode_multivalue(encoding: Encoding, value: "MultiValueDict[Any, Any]", path: str) -> Any:
    # Odd keys make it pairs, with a tag of their own. This one replaces that: its decoder reads both.
    tag = "querydict" if isinstance(value, QueryDict) else "multivaluedict"
    return encoding.tag(path, tag, encode_named(encoding, dict(value.lists()), path, hide=_each_hidden))


def _each_hidden(action: str, values: list[Any]) -> list[Hidden]:
    return [Hidden(action, value) for value in values]


@decodes("multivaluedict")
def decode_multivalue(plain: Any, argument: str) -> "MultiValueDict[Any, Any]":
    return MultiValueDict(plain)


@decodes("querydict")
def decode_query(plain: Any, argument: str) -> QueryDict:
    query = QueryDict(mutable=True)
    for key, values in dict(plain).items():
        query.setlist(key, values)
    return query
