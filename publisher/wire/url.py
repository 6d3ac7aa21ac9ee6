"""BROKER_URL as pika's parameters, and as an address for messages."""

import os
import socket
from urllib.parse import unquote, urlsplit

import pika

from publisher.wire.errors import BrokerRefused
from publisher.wire.url_flaws import NO_URL, URL_HINT, flaw_of

HEARTBEAT_SECONDS = 30
OPEN_SECONDS = 15.0
TCP_OPTIONS = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}


def parameters_of(url: str, name: str) -> pika.connection.Parameters:
    """pika's parameters, with timeouts. Raises BrokerRefused, without pika's text, which may have the password.

    The URL may set a heartbeat and TLS options. The timeouts are set here, whatever the URL says.
    """
    if flaw := flaw_of(url):
        raise BrokerRefused(f"BROKER_URL {flaw}: {URL_HINT}" if flaw == NO_URL else f"BROKER_URL {flaw}")
    try:
        parameters = pika.URLParameters(url)
    except OSError as exc:
        said = exc.strerror or type(exc).__name__
        raise BrokerRefused(
            f"BROKER_URL: the files that ssl_options names cannot be used: {said}; look at ca_certs, certfile, keyfile"
        ) from None
    except (ValueError, TypeError, IndexError, KeyError):
        raise BrokerRefused(f"BROKER_URL {NO_URL}: {URL_HINT}") from None
    parts = urlsplit(url)
    if parts.path == "//":
        parameters.virtual_host = "/"
    if "heartbeat" not in parts.query:
        parameters.heartbeat = HEARTBEAT_SECONDS
    parameters.connection_attempts = 1
    parameters.socket_timeout = 10
    # Without these timeouts of pika, since the owner of the connection measures the time itself.
    parameters.stack_timeout = None
    parameters.blocked_connection_timeout = None
    parameters.tcp_options = {key: value for key, value in TCP_OPTIONS.items() if hasattr(socket, key)}
    parameters.client_properties = {"connection_name": f"{name}@{socket.gethostname()}:{os.getpid()}"}
    return parameters


def address_of(url: str) -> str:
    """Host, port and vhost, without user and password."""
    parts = urlsplit(url)
    vhost = unquote(parts.path.strip("/")) or "/"
    port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
    return f"{parts.hostname or 'localhost'}:{port} vhost={vhost}"
