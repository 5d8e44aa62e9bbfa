"""What it costs to see everything: record, log line and metrics, in CPU of a small request and of an event.

Run it as ``python tests/bench/observing_cost.py [ROUNDS]``; five if not given. Two gateways take turns: one as it is by
default, one that sees nothing (no admin listener, hence no metrics; only failures in the log, hence no record of what
went well). They are asked for small requests, 32 at once and one after the other, and for events of 100 streams. What
each part takes by itself is timed in the process, over and over, and so at its quickest.
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
from bench.load.side_by_side import closed_loop  # noqa: E402
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
            "without": stack.enter_context(
                Unwatched(toml, directory / "without", admin={"listen": "off"}, log={"level": "error"})
            ),
        }
        found: dict[str, dict[str, list[float]]] = {
            "small GET, 32 at once": {},
            "small GET, one by one": {},
            "event": {},
        }
        for _ in range(rounds):
            for name, running in gateways.items():
                target = Target(name, running.address, running.pid)
                at_once = closed_loop(target, 32, 0.3, LISTEN_SECONDS)[0]
                found["small GET, 32 at once"].setdefault(name, []).append(at_once)
                found["small GET, one by one"].setdefault(name, []).append(small_requests(target, REQUESTS)[1])
                found["event"].setdefault(name, []).append(listen(target, STREAMS, PACE_US, LISTEN_SECONDS).cpu_us)
        return found


def main() -> None:
    """Measure and print."""
    rounds, say = int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.stdout.write
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        at_the_end, found = parts(directory), on_the_wire(directory, rounds)
    for name, micros in (*at_the_end.items(), ("all three", sum(at_the_end.values()))):
        say(f"{name:10} {micros:6.1f} us at the end of an exchange\n")
    for what, by_gateway in found.items():
        shares = [one / other - 1 for one, other in zip(by_gateway["with"], by_gateway["without"], strict=True)]
        told = ", ".join(f"{statistics.median(values):.1f} us {name}" for name, values in by_gateway.items())
        least, middle, most = min(shares), statistics.median(shares), max(shares)
        say(f"{what}: {told}; {middle:+.1%}, round by round {least:+.1%} to {most:+.1%}\n")


if __name__ == "__main__":
    main()
