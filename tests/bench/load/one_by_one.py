"""Small requests on one connection, one after the other."""

import time

from bench.load.spread import Spread
from bench.load.target import Target
from bench.load.wire import connected, request, small_answer

_WARM_UP_REQUESTS = 20


def small_requests(target: Target, count: int, *lines: str) -> tuple[Spread, float]:
    """Ask for 1 KiB ``count`` times; return the times and the CPU microseconds of each.

    ``lines`` are further field lines.
    """
    asked, times, used = request("/small", *lines), [], 0.0
    with connected(target) as connection:
        for number in range(-_WARM_UP_REQUESTS, count):
            if number == 0:
                used = target.cpu_seconds()
            started = time.perf_counter()
            connection.sendall(asked)
            small_answer(connection)
            if number >= 0:
                times.append(time.perf_counter() - started)
    return Spread.of(times), (target.cpu_seconds() - used) / count * 1e6
