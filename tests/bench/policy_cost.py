"""What policies cost: the same gateway with none configured, and with all of them, in one run.

Run it as ``python tests/bench/policy_cost.py``; it prints CPU microseconds for a small request and for an event of a
stream, and the ratio of the two gateways; and what a caller's key and one rate add. Rounds alternate between the
gateways; the table shows medians.
"""

import hashlib
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from bench.load.one_by_one import small_requests  # noqa: E402 - after the path is set
from bench.load.target import Target, upstream_process  # noqa: E402
from support.conditions import wait_until  # noqa: E402
from support.crowd import Crowd, SlowChorus, may_open  # noqa: E402
from support.gateway_process import Gateway, route_to, toml_table  # noqa: E402
from support.ports import free_port  # noqa: E402

ROUNDS = 7
REQUESTS = 1000
STREAMS = 300
EVENTS = 40
PIECE = b"data: " + b"x" * 90 + b"\n\n"

UPSTREAM = {
    "balance": "least_outstanding",
    "breaker": {},
    "limits": {"max_concurrent": 1000, "fair_by": "header:X-Tenant"},
}
ROUTE = {
    "retry": {"attempts": 3, "on": ["connect", "reset", 429, 503], "methods": ["GET", "POST"]},
    "timeouts": {"min_rate": "10B/60s", "total": "10m"},
    "limits": {
        "max_concurrent": 1000,
        "max_request_body": "10MiB",
        "priority": "high",
        "rates": [{"limit": "1M/s", "by": "address"}],
    },
}


KEY = "sgk_" + "k" * 43
CALLERS = toml_table("callers.keys.bench", {"sha256": hashlib.sha256(KEY.encode()).hexdigest()})
ASKING = {"auth": {"any": ["keys"]}, "limits": {"rates": [{"limit": "1M/s"}]}}


def _gateways(stack: ExitStack, url: str, directory: Path) -> dict[str, Gateway]:
    return {
        "none": stack.enter_context(Gateway(route_to(url), directory / "none")),
        "asking": stack.enter_context(Gateway(CALLERS + route_to(url, **ASKING), directory / "asking")),
        "all": stack.enter_context(Gateway(route_to(url, upstream=UPSTREAM, **ROUTE), directory / "all")),
    }


def small() -> dict[str, list[float]]:
    """Return CPU microseconds of a small request through each, round by round. All clients show a key."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        direct = stack.enter_context(upstream_process(free_port(), directory))
        gateways = _gateways(stack, f"http://127.0.0.1:{direct.address[1]}", directory)
        found: dict[str, list[float]] = {name: [] for name in gateways}
        for _ in range(ROUNDS):
            for name, running in gateways.items():
                target = Target(name, running.address, running.pid)
                found[name].append(small_requests(target, REQUESTS, f"X-API-Key: {KEY}")[1])
        return found


def event() -> dict[str, float]:
    """Return CPU microseconds of an event in each, while ``STREAMS`` streams are open."""
    found: dict[str, float] = {}
    may_open(4 * STREAMS)
    for name in ("none", "all"):
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            upstream = stack.enter_context(SlowChorus())
            running = _gateways(stack, upstream.url, directory)[name]
            crowd = stack.enter_context(Crowd(running.address, PIECE))
            for _ in range(STREAMS):
                crowd.join()
            wait_until(lambda upstream=upstream: upstream.streams == STREAMS, 60, "all streams")
            target = Target(name, running.address, running.pid)
            used = target.cpu_seconds()
            for said in range(1, EVENTS + 1):
                upstream.say(PIECE)
                wait_until(crowd.all_heard(said), 30, "all clients to hear it")
            found[name] = (target.cpu_seconds() - used) / (STREAMS * EVENTS) * 1e6
    return found


def main() -> None:
    """Measure and print."""
    sys.stdout.write("| CPU µs | no policies | all policies | ratio |\n| --- | ---: | ---: | ---: |\n")
    rounds = small()
    medians = {name: statistics.median(values) for name, values in rounds.items()}
    for what, measured in (("a small GET", medians), ("an event", event())):
        ratio = measured["all"] / measured["none"]
        sys.stdout.write(f"| {what} | {measured['none']:.1f} | {measured['all']:.1f} | {ratio:.2f} |\n")
    added = [one - other for one, other in zip(rounds["asking"], rounds["none"], strict=True)]
    told = f"{statistics.median(added):.1f} ({min(added):.1f} to {max(added):.1f})"
    sys.stdout.write(f"\nA key and a rate add to a small GET, round by round: {told} CPU µs.\n")


if __name__ == "__main__":
    main()
