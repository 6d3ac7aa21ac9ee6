"""Encoders and decoders for the values that signals are sent with. An app registers its own in its module `encoders`.

An encoder returns plain JSON. `encoding.tag` notes the tag of the value at `path`, by which its decoder is found.

from publisher.encoders import decodes, encodes

@encodes(Money)
def encode_money(encoding, value, path):
    return encoding.tag(path, "shop.money", [str(value.amount), value.currency])

@decodes("shop.money")
def decode_money(plain, argument):
    return Money(*plain)
"""

from publisher.wire.registry import Encoding, decodes, encodes, encodes_shape

__all__ = ["Encoding", "decodes", "encodes", "encodes_shape"]
