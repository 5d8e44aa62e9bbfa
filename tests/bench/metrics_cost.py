"""What the metrics cost: an exchange's end, a look at many streams, and a page, beside the CPU of a small request.

Run it as ``python tests/bench/metrics_cost.py``. The request goes through a gateway with metrics and through one
without (``[admin] listen = "off"``), in alternating rounds; the table shows medians.
"""

import gc
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from bench.load.one_by_one import small_requests  # noqa: E402 - after the path is set
from bench.load.target import Target, upstream_process  # noqa: E402
from support.exchanges import a_reply, a_route, an_attempt, an_exchange  # noqa: E402
from support.gateway_process import Gateway, route_to  # noqa: E402
from support.ports import free_port  # noqa: E402

from gateway.exchange.exchange import Exchange  # noqa: E402
from gateway.exchange.marks import Marks, Usage  # noqa: E402
from gateway.exchange.outcome import Outcome  # noqa: E402
from gateway.observe.collecting import Collector  # noqa: E402
from gateway.server.ledger import Ledger  # noqa: E402

ROUNDS = 7
REQUESTS = 1000
STREAMS = 5000


class Unwatched(Gateway):
    """A gateway without an admin listener: it is ready when it answers."""

    def _ready(self) -> bool:
        try:
            with socket.create_connection(self.address):
                return True
        except OSError:
            return False


def requests() -> dict[str, float]:
    """Return CPU microseconds of a small request with metrics and without."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        direct = stack.enter_context(upstream_process(free_port(), directory))
        toml = route_to(f"http://127.0.0.1:{direct.address[1]}")
        gateways = {
            "without": stack.enter_context(Unwatched(toml, directory / "without", admin={"listen": "off"})),
            "with": stack.enter_context(Gateway(toml, directory / "with")),
        }
        found: dict[str, list[float]] = {name: [] for name in gateways}
        for _ in range(ROUNDS):
            for name, running in gateways.items():
                found[name].append(small_requests(Target(name, running.address, running.pid), REQUESTS)[1])
        return {name: statistics.median(values) for name, values in found.items()}


def ended(name: str = "demo", *, watched: bool = False) -> Exchange:
    """Return an exchange that was relayed whole."""
    exchange = an_exchange(route=a_route(name=name))
    exchange.attempts.append(an_attempt())
    exchange.attempts[0].status = 200
    exchange.reply = a_reply()
    exchange.head_at = exchange.committed_at = exchange.first_byte_at = 100.1
    exchange.finished_at, exchange.chunks, exchange.relayed_bytes = 101.0, 9, 900
    exchange.outcome = Outcome.COMPLETE
    if watched:
        exchange.marks, exchange.first_frame_at = Marks("openai", usage=Usage(1, 2, 3)), 100.2
        exchange.queued_seconds = 0.1
    return exchange


def a_collector(running: list[tuple[Exchange, float | None]], breathe: Callable[[], object]) -> Collector:
    """Return a collector of a worker without upstreams."""
    return Collector(Ledger(), lambda: running, lambda: ({}, {}), lambda: 110.0, breathe=breathe, build=("1", "3"))


def read(collector: Collector) -> str:
    """Return the page."""
    return "".join(collector.page("")[1])


def took(call: Callable[[], object], times: int) -> float:
    """Return microseconds of a call, the best of five rounds."""
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            call()
        rounds.append((time.perf_counter() - began) / times * 1e6)
    return min(rounds)


class Stalls:
    """Notes the longest time for which nobody else could run."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._since = time.perf_counter()

    def __call__(self) -> None:
        now = time.perf_counter()
        self.longest, self._since = max(self.longest, now - self._since), now


def main() -> None:
    """Measure and print."""
    say = sys.stdout.write
    metrics = a_collector([], lambda: None).metrics
    for name, exchange in (("plain", ended()), ("watched, queued", ended(watched=True))):
        say(f"the end of an exchange ({name}): {took(lambda each=exchange: metrics.finish(each), 20_000):.1f} µs\n")
    running: list[tuple[Exchange, float | None]] = []
    for _ in range(STREAMS):
        exchange = ended()
        exchange.outcome = None
        running.append((exchange, 100.0))
    stalls = Stalls()
    collector = a_collector(running, stalls)
    say(f"a look at {STREAMS} streams: {took(collector.tick, 3) / 1000:.1f} ms")
    say(f", nobody waits longer than {stalls.longest * 1000:.1f} ms\n")
    gc.freeze()  # As a worker does: what was there before is not gone through again and again.
    for routes in (50, 1000):
        stalls = Stalls()
        collector = a_collector([], stalls)
        for number in range(routes):
            collector.metrics.finish(ended(f"route-{number}", watched=True))
        stalls()
        stalls.longest = 0.0
        size, spent = len(read(collector)), took(partial(read, collector), 1) / 1000
        say(f"a page of {routes} routes ({size >> 10} KiB): {spent:.1f} ms")
        say(f", nobody waits longer than {stalls.longest * 1000:.1f} ms\n")
    found = requests()
    say(f"a small GET: {found['without']:.1f} µs without, {found['with']:.1f} with: ")
    say(f"{found['with'] / found['without']:.3f}\n")


if __name__ == "__main__":
    main()
