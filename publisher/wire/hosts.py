"""The hosts of a cluster that one BROKER_URL names."""

import re

# Scheme; user and password; hosts; vhost and options.
PARTS = re.compile(r"([^/?#]*//)((?:[^/?#]*@)?)([^/?#]*)(.*)", re.DOTALL)


def each_host(url: str) -> list[str]:
    """A URL for each of the hosts, which are separated by commas and share the rest of the URL.

    >>> each_host("amqp://shop:secret@rabbit-1,rabbit-2:5673/%2F")
    ['amqp://shop:secret@rabbit-1/%2F', 'amqp://shop:secret@rabbit-2:5673/%2F']
    """
    parts = PARTS.fullmatch(url)
    if parts is None:
        return [url]
    scheme, user, hosts, rest = parts.groups()
    return [f"{scheme}{user}{host}{rest}" for host in hosts.split(",")]
