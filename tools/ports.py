"""Finds free ports on loopback."""

import socket
from collections.abc import Mapping, Sequence

from tools.errors import StartError

HOST = "127.0.0.1"
Ports = Mapping[str, int]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def assign(names: Sequence[str], *, fixed: Ports, last: Ports) -> Ports:
    """A port for every name: the FIXED one, or an error if it is taken; the LAST one if it is free; else any free."""
    for name in names:
        if name in fixed and not is_free(fixed[name]):
            raise StartError(f"The configured {name} port {fixed[name]} is in use: free it or configure another")
    kept = {name: port for name, port in last.items() if name in names and is_free(port)}
    chosen = {**kept, **{name: fixed[name] for name in names if name in fixed}}
    missing = [name for name in names if name not in chosen]
    return {**chosen, **dict(zip(missing, _free(len(missing)), strict=True))}


def _free(count: int) -> list[int]:
    """So many free ports. All are held until the last is picked, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
