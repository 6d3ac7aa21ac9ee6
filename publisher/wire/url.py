"""BROKER_URL, as pika's parameters and as words."""

import os
import socket
from urllib.parse import unquote, urlsplit

import pika

from publisher.wire.errors import BrokerRefused
from publisher.wire.escaping import URL_HINT, is_escaped

HEARTBEAT_SECONDS = 30
OPEN_SECONDS = 15.0
TCP_OPTIONS = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}


def parameters_of(url: str, name: str) -> pika.connection.Parameters:
    """pika's parameters, with the limits that pika leaves off.

    pika leaves off what the URL's query does not name. A heartbeat or TLS options given there hold; the timeouts are
    ours whatever it says. pika also takes any scheme, and its errors quote parts of the URL, which may be the
    password's: they end here.
    """
    try:
        parts = urlsplit(url)
        if not parts.scheme.startswith("amqp") or not is_escaped(parts):
            raise ValueError
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError, IndexError, KeyError):
        raise BrokerRefused(f"BROKER_URL is not an AMQP URL: {URL_HINT}") from None
    if "heartbeat" not in urlsplit(url).query:
        parameters.heartbeat = HEARTBEAT_SECONDS
    parameters.connection_attempts = 1
    parameters.socket_timeout = 10
    # The connection's owner looks at the time; pika's own clock would race with it.
    parameters.stack_timeout = None
    parameters.blocked_connection_timeout = None
    parameters.tcp_options = {key: value for key, value in TCP_OPTIONS.items() if hasattr(socket, key)}
    parameters.client_properties = {"connection_name": f"{name}@{socket.gethostname()}:{os.getpid()}"}
    return parameters


def address_of(url: str) -> str:
    """Host, port and vhost, for messages: never the password."""
    parts = urlsplit(url)
    vhost = unquote(parts.path.removeprefix("/")) or "/"
    port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
    return f"{parts.hostname or 'localhost'}:{port} vhost={vhost}"
