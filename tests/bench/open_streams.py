"""What an open stream costs: memory and, while each gets an event a second, CPU for an event.

Run it as ``python tests/bench/open_streams.py [--streams N]``; it prints a table. Streams and clients are sockets of
this process, so that only the gateway's worker is measured.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from support.conditions import wait_until  # noqa: E402 - after the path is set
from support.crowd import Crowd, SlowChorus, may_open  # noqa: E402
from support.gateway_process import Gateway, route_to  # noqa: E402

PIECE = b"data: " + b"x" * 90 + b"\n\n"
EVENTS = 10


def measure(streams: int) -> tuple[float, float, float]:
    """Return KiB for each open stream, CPU microseconds for each event, and the worker's idle memory in MiB."""
    with SlowChorus() as upstream, tempfile.TemporaryDirectory() as directory:
        toml = route_to(upstream.url)
        with Gateway(toml, Path(directory)) as running, Crowd(running.address, PIECE) as crowd:
            idle_kib = running.rss_kib()
            crowd.join()
            wait_until(lambda: upstream.streams == 1, 10, "the first stream")
            before_kib = running.rss_kib()
            for _ in range(streams - 1):
                crowd.join()
            wait_until(lambda: upstream.streams == streams, 120, "all streams")
            used = _cpu_seconds(running)
            for said in range(1, EVENTS + 1):
                upstream.say(PIECE)
                wait_until(crowd.all_heard(said), 60, "all clients to hear it")
                time.sleep(0.5)
            used = _cpu_seconds(running) - used
            each_kib = (running.rss_kib() - before_kib) / (streams - 1)
            return each_kib, used / (streams * EVENTS) * 1e6, idle_kib / 1024


def _cpu_seconds(running: Gateway) -> float:
    (worker,) = running.worker_pids()
    columns = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    return (int(columns[11]) + int(columns[12])) / 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, nargs="*", default=[1000, 2000, 4000])
    counts = parser.parse_args().streams
    sys.stdout.write("| streams | KiB a stream | CPU µs an event | idle worker MiB |\n| ---: | ---: | ---: | ---: |\n")
    for streams in counts:
        if not may_open(2 * streams + 500):
            sys.stdout.write(f"| {streams} | needs {2 * streams + 500} open files | | |\n")
            continue
        each_kib, event_us, idle_mib = measure(streams)
        sys.stdout.write(f"| {streams} | {each_kib:.1f} | {event_us:.1f} | {idle_mib:.0f} |\n")


if __name__ == "__main__":
    main()
