"""Clients that leave at random moments, before the head or after it, politely or not."""

import contextlib
import heapq
import random
import socket
import struct
import time
from dataclasses import dataclass

from bench.load.target import Target
from bench.load.wire import connected, request, told

_AT_ONCE = 50
_HEAD_AFTER_US = 150_000
_LONGEST_STAY_SECONDS = 0.3
_PACE_US = 1_000_000
_RELEASE_SECONDS = 10.0
_STEP_SECONDS = 0.002
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Left:
    """What became of the upstream's side."""

    cpu_us: float
    """Of the target, for a client."""
    released_ms: float
    """From the last client's leaving until the upstream has no stream left, or ten seconds."""
    leaked: int
    """Streams that the upstream still has then."""


def storm(upstream: Target, target: Target, clients: int) -> Left:
    """Let ``clients`` clients, fifty at once, ask for streams without end and leave within 0.3 s.

    The upstream sends head and first event after 0.15 s, and then an event a second: a proxy that only notices a leaver
    when it writes to it takes that long. Every other client leaves by a reset.
    """
    chance = random.Random(20261120)
    ask = request(f"/late/0/{_PACE_US}/{_HEAD_AFTER_US}")
    present: list[tuple[float, int, socket.socket]] = []
    used = target.cpu_seconds()
    for number in range(clients):
        if len(present) >= _AT_ONCE:
            _leave(present)
        connection = connected(target)
        connection.sendall(ask)
        heapq.heappush(present, (time.monotonic() + chance.random() * _LONGEST_STAY_SECONDS, number, connection))
    while present:
        _leave(present)
    gone = time.monotonic()
    while (open_streams := told(upstream, "/-/open")) and time.monotonic() - gone < _RELEASE_SECONDS:
        time.sleep(_STEP_SECONDS)
    released = time.monotonic() - gone
    return Left((target.cpu_seconds() - used) / clients * 1e6, released * 1e3, open_streams)


def _leave(present: list[tuple[float, int, socket.socket]]) -> None:
    """Wait until the next client has to leave, and let it."""
    moment, number, connection = heapq.heappop(present)
    time.sleep(max(0.0, moment - time.monotonic()))
    if number % 2:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()
