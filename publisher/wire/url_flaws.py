"""Finds what is wrong with BROKER_URL. Without pika, which a site must not import at its start."""

import ast
from collections.abc import Callable, Mapping
from types import NoneType
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

from publisher.wire.hosts import each_host

URL_HINT = (
    "write amqp://user:password@host:5672/vhost, or amqps:// for TLS; separate the hosts of a cluster by commas; "
    "in user, password and vhost, write @ as %40, # as %23 and / as %2F"
)
NO_URL = "is not an AMQP URL"
AUTHORITIES = frozenset(("ca_certs", "cafile", "ca_path", "capath", "ca_data", "cadata"))

BREAKS = frozenset("\r\n\t")
# The most channels that a connection needs: one for its work, and others for a moment, as to declare something.
CHANNELS = 8


class Kind(NamedTuple):
    """What an option must be, in words, and a function that returns False or raises for anything else."""

    words: str
    fits: Callable[[str], object]


def _is_dict(text: str) -> bool:
    return isinstance(ast.literal_eval(text), dict | NoneType)


def _names_authority(text: str) -> bool:
    """Whether the TLS options name an authority: with options, pika does not trust the system's authorities."""
    return _is_dict(text) and not AUTHORITIES.isdisjoint(ast.literal_eval(text) or AUTHORITIES)


def _whole(low: int, high: int | None = None) -> Kind:
    bounds = f"from {low} on" if high is None else f"from {low} to {high}"
    return Kind(f"a whole number {bounds}", lambda text: low <= int(text) <= (int(text) if high is None else high))


SECONDS = Kind("a number of seconds above 0", lambda text: float(text) > 0)
A_DICT = Kind("a dict", _is_dict)

# The options after `?` that pika has. Timeouts are checked, but have no effect (see `url.py`).
# https://github.com/pika/pika/blob/1.4.4/pika/connection.py `Parameters`
OPTIONS: Mapping[str, Kind] = {
    "heartbeat": _whole(0, 65_535),
    "ssl_options": Kind("a dict with 'ca_certs'", _names_authority),
    "channel_max": _whole(CHANNELS, 65_535),
    "frame_max": _whole(4096, 131_072),
    "locale": Kind("text", str),
    "client_properties": A_DICT,
    "tcp_options": A_DICT,
    "connection_attempts": _whole(1),
    "blocked_connection_timeout": Kind("a number of seconds from 0 on", lambda text: float(text) >= 0),
    "retry_delay": Kind("a number of seconds", float),
    "socket_timeout": SECONDS,
    "stack_timeout": SECONDS,
}


def flaw_of(url: str) -> str | None:
    """What is wrong with the URL; None if nothing is. Of the URL, only an option's name is quoted, never a password.

    >>> flaw_of("amqp://localhost/?hartbeat=5")[:30]
    "has an unknown option 'hartbea"
    """
    # Some parsers of URLs strip these, others do not.
    if url != url.strip() or not BREAKS.isdisjoint(url):
        return "begins or ends with a space, or has a line break or a tab in it"
    return next((flaw for host in each_host(url) if (flaw := _flaw_of_one(host))), None)


def _flaw_of_one(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        is_whole = parts.scheme in ("amqp", "amqps") and bool(host) and " " not in str(host) and parts.port != 0
    except ValueError:
        return NO_URL
    if not is_whole or not _is_escaped(parts):
        return NO_URL
    if parts.username is not None and parts.password is None:
        return "names a user and no password"
    options = parse_qs(parts.query, True)
    if parts.scheme == "amqps" and options.get("ssl_options") == ["None"]:
        return "has 'ssl_options' of None, though it begins with amqps"
    return next((flaw for option in options.items() if (flaw := _flaw_in(*option))), None)


def _is_escaped(parts: SplitResult) -> bool:
    """Whether user, password and vhost are escaped: an unescaped / ends the host, and a # the whole URL.

    A path of `//`, as in Celery's URLs, is the vhost `/`.
    """
    return not parts.fragment and "@" not in parts.path + parts.query and "/" not in parts.path.strip("/")


def _flaw_in(name: str, values: list[str]) -> str | None:
    kind = OPTIONS.get(name)
    if kind is None:
        return f"has an unknown option {name!r}: there are {', '.join(OPTIONS)}"
    try:
        if len(values) == 1 and kind.fits(values[0]) is not False:
            return None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    return f"has an option {name!r} that is not {kind.words}, given once"
