"""What is measured: small requests one after the other, the first event of a stream, the delay of each event."""

import asyncio
import re
import socket
import statistics
import time
from dataclasses import dataclass

from targets import Target

_STAMP = re.compile(rb"data: ([0-9]+) ")
_READ_OCTETS = 65_536
_STREAM_END = b"\r\n0\r\n\r\n"
_SMALL_END = b"." * 100


@dataclass(frozen=True)
class Spread:
    """Two points of a distribution, in microseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Spread":
        """Return the median and the 99th percentile."""
        percentiles = statistics.quantiles(seconds, n=100, method="inclusive")
        return cls(percentiles[49] * 1e6, percentiles[98] * 1e6)


def _connected(target: Target) -> socket.socket:
    connection = socket.create_connection(target.address, 10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _request(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: bench.test", *lines, "", ""]).encode()


def small_requests(target: Target, count: int, *lines: str) -> tuple[Spread, float]:
    """Ask for 100 octets ``count`` times on one connection; return the times and the CPU microseconds of each.

    ``lines`` are further field lines.
    """
    request, times = _request("/small", *lines), []
    with _connected(target) as connection:
        for number in range(-20, count):
            if number == 0:
                used = target.cpu_seconds()
            started = time.perf_counter()
            connection.sendall(request)
            octets = b""
            while not octets.endswith(_STREAM_END if b"chunked" in octets else _SMALL_END):
                octets += _some(connection)
            if number >= 0:
                times.append(time.perf_counter() - started)
    return Spread.of(times), (target.cpu_seconds() - used) / count * 1e6


def first_octets(target: Target, count: int) -> Spread:
    """Ask for a stream ``count`` times on one connection; return the times until its first event is there."""
    request, times = _request("/events/1/0/0"), []
    with _connected(target) as connection:
        for _ in range(count):
            started = time.perf_counter()
            connection.sendall(request)
            octets = b""
            while b"data: " not in octets:
                octets += _some(connection)
            times.append(time.perf_counter() - started)
            while not octets.endswith(_STREAM_END):
                octets += _some(connection)
    return Spread.of(times)


def _some(connection: socket.socket) -> bytes:
    octets = connection.recv(_READ_OCTETS)
    if not octets:
        raise ConnectionError("the server ended the connection")
    return octets


def event_delays(target: Target, streams: int, events: int, pace_ms: int) -> Spread:
    """Read ``streams`` streams at once, out of step with each other; return the delays from being sent to being read.

    The first and the last event of each stream are left out: beside them the work is to open and to end streams.
    Raises ConnectionError where a stream does not come whole.
    """
    return Spread.of(asyncio.run(_all_delays(target, streams, events, pace_ms)))


async def _all_delays(target: Target, streams: int, events: int, pace_ms: int) -> list[float]:
    settle_ms = 300 + streams * 2  # until all requests are through
    tasks = [
        _delays(target, events, f"/events/{events}/{pace_ms}/{settle_ms + pace_ms * number // streams}")
        for number in range(streams)
    ]
    return [delay for found in await asyncio.gather(*tasks) for delay in found[1:-1]]


async def _delays(target: Target, events: int, path: str) -> list[float]:
    reader, writer = await asyncio.open_connection(*target.address)
    writer.write(_request(path))
    found: list[float] = []
    ending = b""
    while not ending.endswith(_STREAM_END):
        octets = await reader.read(_READ_OCTETS)
        now = time.monotonic_ns()
        if not octets:
            raise ConnectionError(f"{target.name} ended a stream after {len(found)} of {events} events")
        found += [(now - int(stamp)) / 1e9 for stamp in _STAMP.findall(octets)]
        ending = (ending + octets)[-len(_STREAM_END) :]
    writer.close()
    if len(found) != events:
        raise ConnectionError(f"{target.name} sent {len(found)} of {events} events")
    return found
