"""Clients that hold streams open: how much memory each takes, and whether each still hears what is said."""

import select
import socket
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass

from bench.load.target import Target
from bench.load.wire import READ_OCTETS, connected, request, some, told

_WARM_UP_STREAMS = 20
_LAST_STREAMS = 20
_HEAR_SECONDS = 30.0
_TIMES_SAID = 10


@dataclass(frozen=True)
class Held:
    """What it took to hold the streams."""

    idle_kib: float
    """Of the target, before the first one."""
    each_kib: float
    last_first_byte_ms: float
    """From connecting to the first event, of the last streams to be opened: the median of twenty."""
    event_us: float
    """CPU of the target for an event, while all get one."""


def hold(upstream: Target, target: Target, streams: int) -> Held:
    """Open ``streams`` streams, one after the other, and let each hear an event eleven times.

    The first few are not counted as memory, for they make what is there once. Raises ConnectionError where a stream
    does not come, or does not hear within half a minute.
    """
    idle_kib = float(target.pss_kib())
    with ExitStack() as stack:
        clients: list[socket.socket] = []
        for _ in range(_WARM_UP_STREAMS):
            _open(stack, target, clients)
        before_kib = target.pss_kib()
        waits = [_open(stack, target, clients) for _ in range(streams)]
        _all_hear(upstream, clients)
        used = target.cpu_seconds()
        for _ in range(_TIMES_SAID):
            _all_hear(upstream, clients)
        used = target.cpu_seconds() - used
        each_kib = (target.pss_kib() - before_kib) / streams
    event_us = used / len(clients) / _TIMES_SAID * 1e6
    return Held(idle_kib, each_kib, statistics.median(waits[-_LAST_STREAMS:]) * 1e3, event_us)


def _open(stack: ExitStack, target: Target, clients: list[socket.socket]) -> float:
    began = time.monotonic()
    connection = stack.enter_context(connected(target, _HEAR_SECONDS))
    connection.sendall(request("/hold"))
    octets = b""
    while b"data: " not in octets:
        octets += some(connection)
    clients.append(connection)
    return time.monotonic() - began


def _all_hear(upstream: Target, clients: list[socket.socket]) -> None:
    silent = {client.fileno(): client for client in clients}
    with select.epoll() as epoll:
        for client in clients:
            epoll.register(client, select.EPOLLIN)
        if (held := told(upstream, "/-/say")) < len(clients):
            raise ConnectionError(f"{held} of {len(clients)} streams are open at the upstream")
        until = time.monotonic() + _HEAR_SECONDS
        while silent:
            ready = epoll.poll(max(0.0, until - time.monotonic()), len(clients))
            if not ready:
                raise ConnectionError(f"{len(silent)} of {len(clients)} streams heard nothing in time")
            for fd, _ in ready:
                epoll.unregister(fd)
                if b"data: " not in silent.pop(fd).recv(READ_OCTETS):
                    raise ConnectionError("a stream ended")
