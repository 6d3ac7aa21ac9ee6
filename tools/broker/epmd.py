"""Erlang's port mapper: every Erlang node has one beside it, which outlives the node."""

import socket
from contextlib import suppress

from tools.ports import HOST, is_free
from tools.process import wait_until

KILL_REQUEST = b"\x00\x01k"


def stop(port: int) -> None:
    """Stop it, as `epmd -kill` does. It refuses until it has noticed that its node is gone, so ask repeatedly."""
    wait_until(lambda: _is_gone(port), timeout_seconds=5)


def _is_gone(port: int) -> bool:
    if is_free(port):
        return True
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1) as connection:
        connection.sendall(KILL_REQUEST)
        connection.recv(2)
    return is_free(port)
