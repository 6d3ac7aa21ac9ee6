"""What is wrong with BROKER_URL, as far as the text tells: without pika, which a site never imports."""

import ast
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, parse_qs, urlsplit

URL_HINT = (
    "write amqp://user:password@host:5672/vhost, or amqps:// for TLS; in user, password and vhost @ is %40, # is %23 "
    "and / is %2F"
)
NO_URL = "is not an AMQP URL"
AUTHORITIES = frozenset(("ca_certs", "cafile", "ca_path", "capath", "ca_data", "cadata"))


def _is_dict(text: str) -> bool:
    return isinstance(ast.literal_eval(text), dict)


def _names_authority(text: str) -> bool:
    """pika trusts nobody else then, and so cannot do without."""
    return _is_dict(text) and not AUTHORITIES.isdisjoint(ast.literal_eval(text))


# What may follow a `?`, and what makes of its text a value or raises. Timeouts are read, and ours hold all the same.
OPTIONS: Mapping[str, Callable[[str], object]] = {
    "heartbeat": int,
    "ssl_options": _names_authority,
    "channel_max": int,
    "frame_max": int,
    "locale": str,
    "client_properties": _is_dict,
    "tcp_options": _is_dict,
    "connection_attempts": int,
    **dict.fromkeys(("blocked_connection_timeout", "retry_delay", "socket_timeout", "stack_timeout"), float),
}
KINDS: Mapping[object, str] = {
    int: "a whole number",
    float: "a number of seconds",
    _is_dict: "a dict",
    _names_authority: "a dict with 'ca_certs'",
}


def flaw_of(url: str) -> str | None:
    """In words that repeat nothing of it but an option's name: the rest may hold a password. None where there is none.

    >>> flaw_of("amqp://localhost/?hartbeat=5")[:30]
    "has an unknown option 'hartbea"
    """
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("amqp", "amqps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return NO_URL
    if not is_whole or not _is_escaped(parts):
        return NO_URL
    if parts.username is not None and parts.password is None:
        return "names a user and no password"
    return next((flaw for option in parse_qs(parts.query, True).items() if (flaw := _flaw_in(*option))), None)


def _is_escaped(parts: SplitResult) -> bool:
    """Whether user, password and vhost are. A / ends the host, and a # all of it.

    `//` at the end, as Celery has it, is the vhost `/`.
    """
    return not parts.fragment and "@" not in parts.path + parts.query and "/" not in parts.path.strip("/")


def _flaw_in(name: str, values: list[str]) -> str | None:
    read = OPTIONS.get(name)
    if read is None:
        return f"has an unknown option {name!r}: there are {', '.join(OPTIONS)}"
    try:
        if len(values) == 1 and read(values[0]) is not False:
            return None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    return f"has an option {name!r} that is not one value, {KINDS.get(read, 'text')}"
