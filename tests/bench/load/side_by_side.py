"""Small requests on many kept connections, each of which asks again as soon as it was answered."""

import select
import socket
import time
from contextlib import ExitStack

from bench.load.target import Target
from bench.load.wire import READ_OCTETS, SMALL_ENDS, connected, request, small_answer

_STALL_SECONDS = 5.0
_TAIL_OCTETS = 64


def closed_loop(target: Target, connections: int, warm_up_seconds: float, seconds: float) -> tuple[float, float]:
    """Return the CPU microseconds of a request, and how many were answered in a second.

    Raises ConnectionError where an answer is not 200, a connection ends, or nothing comes for some seconds.
    """
    asked = request("/small")
    with ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        by_fd: dict[int, socket.socket] = {}
        for _ in range(connections):
            connection = stack.enter_context(connected(target))
            connection.sendall(asked)
            small_answer(connection)
            connection.setblocking(False)
            epoll.register(connection, select.EPOLLIN)
            by_fd[connection.fileno()] = connection
        for connection in by_fd.values():
            connection.send(asked)
        _answered(epoll, by_fd, asked, time.monotonic() + warm_up_seconds)
        began, used = time.monotonic(), target.cpu_seconds()
        answered = _answered(epoll, by_fd, asked, began + seconds)
        took, used = time.monotonic() - began, target.cpu_seconds() - used
    return used / answered * 1e6, answered / took


def _answered(epoll: select.epoll, by_fd: dict[int, socket.socket], asked: bytes, until: float) -> int:
    answered, pending = 0, dict[int, bytes]()
    while time.monotonic() < until or not answered:
        ready = epoll.poll(_STALL_SECONDS)
        if not ready:
            raise ConnectionError("no answer came for seconds")
        for fd, _ in ready:
            octets = by_fd[fd].recv(READ_OCTETS)
            if not octets:
                raise ConnectionError("the server ended the connection")
            if fd in pending:
                octets = pending.pop(fd) + octets
            if octets.endswith(SMALL_ENDS):
                by_fd[fd].send(asked)
                answered += 1
            else:  # in pieces, such as head, chunk and last chunk
                pending[fd] = octets[-_TAIL_OCTETS:]
    return answered
