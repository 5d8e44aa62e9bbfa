"""Clients of event streams: many at once, in one thread, noting how late each event is."""

import os
import re
import select
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass

from bench.load.spread import Spread
from bench.load.target import Target
from bench.load.wire import READ_OCTETS, connected, request

_STAMP = re.compile(rb"data: ([0-9]+) ")
_ENOUGH = 0.8
_BEGIN_SECONDS = 20.0
_SETTLE_SECONDS = 0.3


@dataclass(frozen=True)
class Heard:
    """What came in the time that was looked at."""

    cpu_us: float
    """Of the target, for an event."""
    delay: Spread
    """From being sent to being read."""


def listen(target: Target, streams: int, pace_us: int, seconds: float, *, awake: bool = False) -> Heard:
    """Open streams without end, evenly out of step, let them settle, look for ``seconds``, and leave.

    Opening and leaving are not looked at. Who stays ``awake`` need not be woken, which would be booked to the target in
    part, by luck; it takes a processor. Raises ConnectionError where a stream ends or does not begin, or fewer events
    come than the upstream sends: a target that falls behind is not cheap.
    """
    with ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        by_fd: dict[int, socket.socket] = {}
        for number in range(streams):
            connection = stack.enter_context(connected(target))
            connection.sendall(request(f"/events/0/{pace_us}/{pace_us * number // streams}"))
            connection.setblocking(False)
            epoll.register(connection, select.EPOLLIN)
            by_fd[connection.fileno()] = connection
        _all_begin(epoll, by_fd)
        _delays(epoll, by_fd, time.monotonic() + _SETTLE_SECONDS, awake=awake)
        used = target.cpu_seconds()
        delays = _delays(epoll, by_fd, time.monotonic() + seconds, awake=awake)
        used = target.cpu_seconds() - used
    expected = seconds * 1e6 / pace_us * streams
    if len(delays) < expected * _ENOUGH:
        raise ConnectionError(f"{len(delays)} of {expected:.0f} events came in time")
    return Heard(used / len(delays) * 1e6, Spread.of(delays))


def _all_begin(epoll: select.epoll, by_fd: dict[int, socket.socket]) -> None:
    silent, until = set(by_fd), time.monotonic() + _BEGIN_SECONDS
    while silent:
        if (left := until - time.monotonic()) <= 0:
            raise ConnectionError(f"{len(silent)} of {len(by_fd)} streams did not begin")
        for fd, _ in epoll.poll(left):
            octets = by_fd[fd].recv(READ_OCTETS)
            if not octets:
                raise ConnectionError("a stream ended")
            if _STAMP.search(octets):
                silent.discard(fd)


def _delays(epoll: select.epoll, by_fd: dict[int, socket.socket], until: float, *, awake: bool) -> list[float]:
    found: list[float] = []
    while (left := until - time.monotonic()) > 0:
        if not (ready := epoll.poll(0 if awake else left)):
            os.sched_yield()  # The upstream may share this processor.
        for fd, _ in ready:
            octets = by_fd[fd].recv(READ_OCTETS)
            now_ns = time.monotonic_ns()
            if not octets:
                raise ConnectionError("a stream ended")
            found += [(now_ns - int(stamp)) / 1e9 for stamp in _STAMP.findall(octets)]
    return found
