"""What compression costs: memory for an open stream, CPU for an event, and the octets that it saves.

Run it as ``python tests/bench/compression_cost.py``; it prints two tables. In the first, the coders alone: events like
those of a chat completion, each flushed, then bulk text in pieces. In the second, a gateway that compresses beside the
same gateway for clients that do not ask for it, in one run.
"""

import gc
import random
import socket
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from bench.load.target import Target  # noqa: E402
from support.conditions import wait_until  # noqa: E402 - after the path is set
from support.crowd import Crowd, SlowChorus, may_open  # noqa: E402
from support.decoding import DECODERS, Decoder  # noqa: E402
from support.gateway_process import Gateway, route_to  # noqa: E402

from gateway.exchange.chunked import ChunkedDecoder  # noqa: E402
from gateway.policy.content_coding import CODINGS, PIECE_OCTETS, coder  # noqa: E402

STREAMS = 300
EVENTS = 60
ROUNDS = 3
WORDS = ("the", "gateway", "keeps", "each", "event", "apart", "and", "says", "when", "it", "came", "without", "delay")


def events(count: int) -> list[bytes]:
    """Return events like those of a chat completion: nearly all of each is as in the one before."""
    rng = random.Random(1)
    form = (
        'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":1760000000,"model":"demo-large",'
        '"choices":[{"index":0,"delta":{"content":" %s"},"logprobs":null,"finish_reason":null}]}\n\n'
    )
    identity = rng.randbytes(12).hex()
    return [(form % (identity, rng.choice(WORDS))).encode() for _ in range(count)]


def bulk() -> list[bytes]:
    """Return this project's own sources in pieces."""
    root = Path(__file__).parents[2]
    text = b"".join(path.read_bytes() for path in sorted(root.glob("[gt]*/**/*.py")))[: 16 * PIECE_OCTETS]
    return [text[at : at + PIECE_OCTETS] for at in range(0, len(text), PIECE_OCTETS)]


def resident_kib() -> int:
    """Return the memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def alone(coding: str) -> tuple[float, float, float, float, float]:
    """Return KiB a stream, µs an event, its ratio, ms for a piece of bulk text, and its ratio."""
    make, some, pieces = coder(coding), events(1000), bulk()
    warm = make()
    for octets in (*some[:10], *pieces):
        warm.encode(octets)
    gc.collect()
    before, streams = resident_kib(), [make() for _ in range(200)]
    for stream in streams:
        for octets in (*some[:100], pieces[0]):
            stream.encode(octets)
    each_kib = (resident_kib() - before) / len(streams)
    event_seconds, event_ratio = _timed(make(), some)
    piece_seconds, piece_ratio = _timed(make(), pieces)
    return each_kib, event_seconds * 1e6, event_ratio, piece_seconds * 1e3, piece_ratio


def _timed(stream: Any, pieces: list[bytes]) -> tuple[float, float]:
    started = time.process_time()
    coded = sum(len(stream.encode(piece)) for piece in pieces)
    return (time.process_time() - started) / len(pieces), sum(map(len, pieces)) / coded


class CodedCrowd(Crowd):
    """Clients that accept one coding, and count the events that they can read."""

    def __init__(self, address: tuple[str, int], coding: str | None) -> None:
        super().__init__(address, b"\n\n")
        self._coding = coding
        self._bodies: dict[socket.socket, tuple[ChunkedDecoder, Decoder | None]] = {}
        self.octets = 0
        """Of the bodies, as they came."""

    def join(self, target: str = "/") -> None:
        """Let one more client connect and ask."""
        accepting = f"{target} HTTP/1.1\r\nAccept-Encoding: {self._coding}\r\nX-Rest:" if self._coding else target
        super().join(accepting)

    def _readable(self, sock: Any, data: Any) -> None:
        octets = sock.recv(65536)
        if not octets:
            self._forget(sock)
            return
        if sock not in self._bodies:
            _, _, octets = octets.partition(b"\r\n\r\n")
            self._bodies[sock] = ChunkedDecoder(), DECODERS[self._coding]() if self._coding else None
        frames, read = self._bodies[sock]
        body = frames.feed(octets) if octets else b""
        self.octets += len(body)
        self.heard[self._numbers[sock]] += (read(body) if read is not None else body).count(self._counted)


def through(coding: str | None) -> tuple[float, float, float]:
    """Return KiB a stream, CPU µs an event and octets an event of a worker with ``STREAMS`` streams."""
    some = events(EVENTS)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(SlowChorus())
        toml = route_to(upstream.url, compression={"codings": list(CODINGS)})
        running = stack.enter_context(Gateway(toml, directory))
        crowd = stack.enter_context(CodedCrowd(running.address, coding))
        crowd.join()
        wait_until(lambda: upstream.streams == 1, 10, "the first stream")
        before = running.rss_kib()
        for _ in range(STREAMS - 1):
            crowd.join()
        wait_until(lambda: upstream.streams == STREAMS, 60, "all streams")
        target = Target("gateway", running.address, running.pid)
        used = target.cpu_seconds()
        for said, event in enumerate(some, 1):
            upstream.say(event)
            wait_until(crowd.all_heard(said), 30, "all clients to read it")
        used = target.cpu_seconds() - used
        each_kib = (running.rss_kib() - before) / (STREAMS - 1)
        return each_kib, used / (STREAMS * EVENTS) * 1e6, crowd.octets / (STREAMS * EVENTS)


def main() -> None:
    """Measure and print."""
    may_open(4 * STREAMS)
    head = "| coder alone | KiB a stream | µs an event | ratio | ms for 64 KiB of text | ratio |"
    sys.stdout.write(f"{head}\n| --- | ---: | ---: | ---: | ---: | ---: |\n")
    for coding in CODINGS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:  # No memory that another coder left.
            kib, event_us, ratio, piece_ms, bulk_ratio = fresh.submit(alone, coding).result()
        sys.stdout.write(
            f"| {coding} | {kib:.0f} | {event_us:.1f} | {ratio:.1f} | {piece_ms:.2f} | {bulk_ratio:.1f} |\n"
        )
    sys.stdout.write("\n| gateway | KiB a stream | CPU µs an event | to plain | octets an event | to plain |\n")
    sys.stdout.write("| --- | ---: | ---: | ---: | ---: | ---: |\n")
    names = (None, *CODINGS)
    rounds = [[through(name) for name in names] for _ in range(ROUNDS)]
    found = [tuple(statistics.median(each) for each in zip(*rows, strict=True)) for rows in zip(*rounds, strict=True)]
    for name, (kib, cpu_us, octets) in zip(names, found, strict=True):
        to_plain = f"{cpu_us / found[0][1]:.2f} | {octets:.0f} | {octets / found[0][2]:.2f}"
        sys.stdout.write(f"| {name or 'plain'} | {kib:.0f} | {cpu_us:.1f} | {to_plain} |\n")


if __name__ == "__main__":
    main()
