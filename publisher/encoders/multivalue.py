"""Encodes Django's MultiValueDict and QueryDict, which have several values for a key, as a form may.

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
    # For odd keys, `encode_named` returns pairs, tagged "mapping". This tag replaces that: its decoder reads both.
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
