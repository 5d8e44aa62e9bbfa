"""What tracing costs: CPU of a small request without it, with it, and with nothing sampled; and the memory it takes.

Run it as ``python tests/bench/tracing_cost.py [REQUESTS]``; 1,000 for each of five rounds if not given.
"""

import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from bench.load.one_by_one import small_requests  # noqa: E402 - after the path is set
from bench.load.target import Target, upstream_process  # noqa: E402
from support.gateway_process import Gateway, route_to, toml_table  # noqa: E402
from support.otlp_receiver import OtlpReceiver  # noqa: E402
from support.ports import free_port  # noqa: E402

ROUNDS = 5
SETTINGS: dict[str, dict[str, object] | None] = {
    "off": None,
    "sampled": {},
    "unsampled": {"sample": "off"},
    "10%": {"sample": "10%"},
}


def main() -> None:
    """Measure and print."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receiver = stack.enter_context(OtlpReceiver())
        direct = stack.enter_context(upstream_process(free_port(), directory))
        route = route_to(f"http://127.0.0.1:{direct.address[1]}")
        gateways = {}
        for name, settings in SETTINGS.items():
            table = "" if settings is None else toml_table("tracing", {"endpoint": receiver.url, **settings})
            gateways[name] = stack.enter_context(Gateway(table + route, directory / name.strip("%")))
        idle = {name: running.rss_kib() for name, running in gateways.items()}
        found: dict[str, list[float]] = {name: [] for name in gateways}
        for _ in range(ROUNDS):
            for name, running in gateways.items():
                found[name].append(small_requests(Target(name, running.address, running.pid), requests)[1])
        for name, values in found.items():
            after = gateways[name].rss_kib()
            told = f"{statistics.median(values):.0f} us of CPU for a small request"
            sys.stdout.write(f"{name:10} {told}; {idle[name] / 1024:.1f} MiB idle, {after / 1024:.1f} MiB after\n")
        octets, messages = len(receiver.octets), len(receiver.messages)
        sys.stdout.write(f"{octets / max(1, len(receiver.spans)):.0f} octets for a span, {messages} messages\n")


if __name__ == "__main__":
    main()
