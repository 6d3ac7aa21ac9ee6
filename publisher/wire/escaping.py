"""What has to be escaped in a URL, and was not: the rest of it means something else then."""

from urllib.parse import SplitResult

URL_HINT = (
    "write amqp://user:password@host:5672/vhost, or amqps:// for TLS; in user, password and vhost @ is %40, # is %23 "
    "and / is %2F"
)


def is_escaped(parts: SplitResult) -> bool:
    """Whether user, password and vhost of an AMQP URL are. A / ends the host, and a # all of it.

    `//` at the end, as Celery has it, is the vhost `/`.
    """
    return not parts.fragment and "@" not in parts.path + parts.query and "/" not in parts.path.strip("/")
