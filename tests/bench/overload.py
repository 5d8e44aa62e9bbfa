"""What becomes of an upstream that bears 20 at once when 200 ask, with limits and without: see README.md here.

python tests/bench/overload.py [--seconds N] [--json FILE]
"""

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]

from support.gateway_process import Gateway, route_to  # noqa: E402 - after the path is set

CAPACITY = 20
CLIENTS = 200
WORK_SECONDS = 0.2
PATIENCE_SECONDS = 2.0
REST_SECONDS = (0.4, 0.8)
"""How long a client that was refused, or gave up, waits before it asks again."""
_TICK_SECONDS = 0.005
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Thrashing:
    """An upstream that does its work in time for `CAPACITY` at once, and less and less of it beyond."""

    def __init__(self) -> None:
        self._jobs: dict[asyncio.Future[None], float] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request when its work is done; stop working when its asker leaves."""
        done = asyncio.get_running_loop().create_future()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self._jobs[done] = WORK_SECONDS
            left = asyncio.ensure_future(reader.read(1))
            await asyncio.wait([done, left], return_when=asyncio.FIRST_COMPLETED)
            if done.done():
                writer.write(_ANSWER)
                await writer.drain()
            left.cancel()
        self._jobs.pop(done, None)
        writer.close()

    async def work(self) -> None:
        """Let time pass: beyond the capacity each job gets the square of its share."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            speed = min(1.0, CAPACITY / max(len(self._jobs), 1)) ** 2
            for done in list(self._jobs):
                self._jobs[done] -= (now - before) * speed
                if self._jobs[done] <= 0:
                    del self._jobs[done]
                    done.set_result(None)
            before = now


@contextlib.asynccontextmanager
async def thrashing() -> AsyncIterator[str]:
    """Run the upstream; yield its address."""
    upstream = Thrashing()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, backlog=1024)
    worker = asyncio.create_task(upstream.work())
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    worker.cancel()


@dataclass
class Tally:
    """What clients met after the warm-up, in seconds each."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    given_up: int = 0
    counting: bool = False


async def client(address: tuple[str, int], tally: Tally, dice: random.Random) -> None:
    """Ask for ever: at once after an answer, after a rest if there was none in time."""
    while True:
        began = time.monotonic()
        status = None
        with contextlib.suppress(OSError, TimeoutError, IndexError):
            status = await asyncio.wait_for(_ask(address), PATIENCE_SECONDS)
        if tally.counting:
            if status == 200:
                tally.answered.append(time.monotonic() - began)
            elif status == 503:
                tally.refused.append(time.monotonic() - began)
            else:
                tally.given_up += 1
        if status != 200:
            await asyncio.sleep(dice.uniform(*REST_SECONDS))


async def _ask(address: tuple[str, int]) -> int:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        return int((await reader.read()).split(b" ", 2)[1])
    finally:
        writer.close()


async def measure(limits: dict[str, object], clients: int, warm_up: float, seconds: float) -> dict[str, float]:
    """Return what ``clients`` clients met behind a gateway with these limits."""
    async with thrashing() as url:
        values: dict[str, Any] = {"keepalive": "0s", "timeouts": {"queue": "1500ms"} if limits else {}}
        text = route_to(url, upstream=values | ({"limits": limits} if limits else {}))
        with tempfile.TemporaryDirectory() as directory:
            running = Gateway(text, Path(directory))
            await asyncio.to_thread(running.__enter__)
            try:
                tally = Tally()
                tasks = [asyncio.create_task(client(running.address, tally, random.Random(n))) for n in range(clients)]
                await asyncio.sleep(warm_up)
                tally.counting = True
                await asyncio.sleep(seconds)
                tally.counting = False
                await _end(tasks)
            finally:
                await asyncio.to_thread(running.stop)
    return {
        "goodput/s": len(tally.answered) / seconds,
        "answered p50 ms": _at(tally.answered, 50),
        "answered p99 ms": _at(tally.answered, 99),
        "refused/s": len(tally.refused) / seconds,
        "refused p50 ms": _at(tally.refused, 50),
        "gave up/s": tally.given_up / seconds,
    }


async def _end(tasks: list["asyncio.Task[None]"]) -> None:
    """Cancel the clients until they have ended: a cancellation that meets a timeout can be lost (Python 3.11)."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1.0)


def _at(values: list[float], percent: int) -> float:
    if len(values) < 2:
        return float("nan")
    return 1000 * statistics.quantiles(values, n=100)[percent - 1]


def main() -> int:
    """Measure each case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each case is measured")
    parser.add_argument("--json", type=Path, help="file for the values")
    given = parser.parse_args()
    limited = {"max_concurrent": CAPACITY, "max_queued": 100}
    adaptive = {"adaptive": {"min": 2, "max": 200}, "max_queued": 100}
    cases: dict[str, tuple[dict[str, object], int, float]] = {
        f"{CAPACITY} clients, no limits": ({}, CAPACITY, 2.0),
        f"{CLIENTS} clients, no limits": ({}, CLIENTS, 5.0),
        f"{CLIENTS} clients, limit and queue": (limited, CLIENTS, 5.0),
        f"{CLIENTS} clients, adaptive and queue": (adaptive, CLIENTS, 15.0),
    }
    rows = {name: asyncio.run(measure(*case, given.seconds)) for name, case in cases.items()}
    names = list(next(iter(rows.values())))
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{name:>17}" for name in names)]
    lines += [f"{case:{width}}" + "".join(f"{row[name]:17.1f}" for name in names) for case, row in rows.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
