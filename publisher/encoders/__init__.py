"""Encoders and decoders of what signals carry. An app's own are found in its `encoders` module.

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
