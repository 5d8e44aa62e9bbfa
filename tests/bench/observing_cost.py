"""What it costs to see everything: record, log line and metrics, in CPU of a small request and of an event.

Run it as ``python tests/bench/observing_cost.py [ROUNDS]``; five if not given. Record and log line cannot be turned
off, so they are timed in the process itself and told as a share of the whole request, which a gateway serves with all
of them on. Metrics can be (``[admin] listen = "off"``): two gateways, one with and one without, take turns, for a small
request and for an event of 100 streams.
"""

import logging
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from bench.load.listeners import listen  # noqa: E402 - after the path is set
from bench.load.one_by_one import small_requests  # noqa: E402
from bench.load.target import Target, upstream_process  # noqa: E402
from bench.metrics_cost import Unwatched, a_collector, ended, took  # noqa: E402
from support.gateway_process import Gateway, route_to  # noqa: E402
from support.ports import free_port  # noqa: E402

from gateway.observe.line import LineHandler, LineLog  # noqa: E402
from gateway.observe.record import record_of  # noqa: E402

REQUESTS = 1000
STREAMS, PACE_US, LISTEN_SECONDS = 100, 50_000, 2.0
CALLS = 5000


def parts(directory: Path) -> dict[str, float]:
    """Return the microseconds that each part takes when an exchange ends, best of five."""
    logger = logging.getLogger("bench.exchange")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    with (directory / "lines").open("w") as lines:
        logger.addHandler(LineHandler(lines))
        exchange, log, metrics = ended(), LineLog("json", logger), a_collector([], lambda: None).metrics
        record = record_of(exchange, 0.0)
        found = {
            "record": took(lambda: record_of(exchange, 0.0), CALLS),
            "log line": took(lambda: log.write(record, logging.INFO), CALLS),
            "metrics": took(lambda: metrics.finish(exchange), CALLS),
        }
        logger.handlers.clear()
    return found


def on_the_wire(directory: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the CPU microseconds of a request and of an event, with metrics and without, round by round."""
    with ExitStack() as stack:
        direct = stack.enter_context(upstream_process(free_port(), directory))
        toml = route_to(f"http://127.0.0.1:{direct.address[1]}")
        gateways = {
            "with": stack.enter_context(Gateway(toml, directory / "with")),
            "without": stack.enter_context(Unwatched(toml, directory / "without", admin={"listen": "off"})),
        }
        found: dict[str, dict[str, list[float]]] = {"small GET": {}, "event": {}}
        for _ in range(rounds):
            for name, running in gateways.items():
                target = Target(name, running.address, running.pid)
                found["small GET"].setdefault(name, []).append(small_requests(target, REQUESTS)[1])
                found["event"].setdefault(name, []).append(listen(target, STREAMS, PACE_US, LISTEN_SECONDS).cpu_us)
        return found


def main() -> None:
    """Measure and print."""
    rounds, say = int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.stdout.write
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        at_the_end, found = parts(directory), on_the_wire(directory, rounds)
    whole = statistics.median(found["small GET"]["with"])
    for name, micros in (*at_the_end.items(), ("all three", sum(at_the_end.values()))):
        say(f"{name:10} {micros:6.1f} us at the end of an exchange, {micros / whole:.1%} of a small GET\n")
    for what, by_gateway in found.items():
        added = [one - other for one, other in zip(by_gateway["with"], by_gateway["without"], strict=True)]
        told = ", ".join(f"{statistics.median(values):.1f} us {name} metrics" for name, values in by_gateway.items())
        say(f"{what}: {told}; round by round {min(added):+.1f} to {max(added):+.1f}\n")


if __name__ == "__main__":
    main()
