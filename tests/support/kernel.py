"""What the kernel knows about TCP on this machine (Linux, proc(5)), and a port at which it does nothing."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from support.conditions import wait_until

_SYN_SENT = "02"


def _rows() -> list[list[str]]:
    """Return the connections: number, local and remote address, state, queues, and more."""
    return [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]


def _port(address: str) -> int:
    return int(address.partition(":")[2], 16)


def attempts_at(port: int) -> int:
    """Return how many connections to ``port`` are being tried."""
    return sum(row[3] == _SYN_SENT and _port(row[2]) == port for row in _rows())


def unread_octets(port: int) -> int:
    """Return what was received by the connections of the local ``port`` and not read yet."""
    return sum(int(row[4].partition(":")[2], 16) for row in _rows() if _port(row[1]) == port)


def unread_octets_from(port: int) -> int:
    """Return the same for the connections to the remote ``port``."""
    return sum(int(row[4].partition(":")[2], 16) for row in _rows() if _port(row[2]) == port)


@contextlib.contextmanager
def blackhole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that answers no connection attempt: its queue is full, so the kernel drops what comes."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, port), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((host, port))
        wait_until(lambda: attempts_at(port) > 0, 5, "the queue to be full")
        yield port
