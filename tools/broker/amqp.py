"""Addresses of brokers, and whether a broker answers there."""

import socket
from contextlib import suppress
from urllib.parse import urlsplit

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = b"\x01"


def url(port: int, *, host: str = "127.0.0.1") -> str:
    """The address of a broker that has RabbitMQ's default user."""
    return f"amqp://guest:guest@{host}:{port}/%2F"


def without_password(address: str) -> str:
    """The address with *** instead of the password, to show it."""
    parts = urlsplit(address)
    return address.replace(f":{parts.password}@", ":***@", 1) if parts.password else address


def responds(host: str, port: int, *, timeout_seconds: float = 1) -> bool:
    """Whether a broker answers AMQP's protocol header: with Connection.Start, which is a method frame."""
    with suppress(OSError), socket.create_connection((host, port), timeout=timeout_seconds) as connection:
        connection.sendall(PROTOCOL_HEADER)
        return connection.recv(1) == METHOD_FRAME
    return False
