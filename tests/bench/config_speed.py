"""What many routes cost: reading a file of 1,000, and finding one among 10 or 10,000.

    python tests/bench/config_speed.py

CPU time of this process, the best of several rounds; nothing is served.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gateway.assemble import read_text
from gateway.exchange.message import RequestHead
from gateway.policy.routing import RouteTable

ROUTES = 1000
FEW, MANY = 10, 10_000
ROUNDS = 5
LOOKUPS = 2000
HEAD = '[server]\nlisten = "127.0.0.1:8080"\n'


def text_of(count: int, *, open_end: bool = False) -> str:
    """Return a configuration of ``count`` routes to a tenth as many upstreams; with ``open_end`` each has a warning."""
    upstreams = "".join(
        f'[upstreams.u{number}]\nendpoints = ["http://10.0.{number // 250}.{number % 250}:9000"]\n'
        for number in range(max(1, count // 10))
    )
    rewrite = 'rewrite = "/"\n' if open_end else ""
    routes = "".join(
        f'[[routes]]\nname = "r{number}"\npath = "/team{number % 97}/service{number}/"\n'
        f'hosts = ["h{number % 7}.example.com"]\nmethods = ["GET", "POST"]\nupstream = "u{number // 10}"\n'
        f'strip_prefix = "/team{number % 97}"\n{rewrite}timeouts = {{ idle = "{30 + number % 60}s" }}\n'
        for number in range(count)
    )
    return HEAD + upstreams + routes


def cpu_seconds(run: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the CPU seconds of the fastest of several runs."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        run()
        best = min(best, time.process_time() - started)
    return best


def lookup_seconds(count: int) -> float:
    """Return the CPU seconds of one lookup among ``count`` routes, spread over all of them."""
    table = RouteTable(read_text(text_of(count), "bench")[1].routes)
    requests = [
        RequestHead("GET", f"/team{n % 97}/service{n}/x?q", (1, 1), [], "http", f"h{n % 7}.example.com", "", 0, 0)
        for n in (step * 7919 % count for step in range(LOOKUPS))
    ]

    def run() -> None:
        for request in requests:
            table.match(request)

    return cpu_seconds(run) / LOOKUPS


def main() -> None:
    """Measure, and print times and ratios."""
    empty = cpu_seconds(lambda: read_text(text_of(1), "bench"))
    full = cpu_seconds(lambda: read_text(text_of(ROUTES), "bench"))
    warned = cpu_seconds(lambda: read_text(text_of(ROUTES, open_end=True), "bench"))
    few, many = lookup_seconds(FEW), lookup_seconds(MANY)
    say = sys.stdout.write
    say(f"read and check 1 route              {empty * 1e3:9.2f} ms\n")
    say(f"read and check {ROUTES:,} routes         {full * 1e3:9.2f} ms   {(full - empty) * 1e3:.0f} ms more\n")
    say(f"the same, a warning for each        {warned * 1e3:9.2f} ms   {warned / full:.2f} times\n")
    say(f"find one of {FEW:,} routes              {few * 1e6:9.2f} us\n")
    say(f"find one of {MANY:,} routes          {many * 1e6:9.2f} us   {many / few:.2f} times\n")


if __name__ == "__main__":
    main()
