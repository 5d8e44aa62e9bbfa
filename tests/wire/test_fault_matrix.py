"""The fault matrix: what each fault of an upstream becomes, for each kind of request, through the real server.

The route tries twice, also POST, and keeps bodies up to 64 KiB. Each fault lasts: the second attempt meets it, too.
What comes and goes is in test_fault_matrix_flapping.py.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from support.conditions import patience, wait_until
from support.gateway_process import Gateway, Line, toml_table
from support.kernel import attempts_at, blackhole
from support.ports import free_port
from support.rig import DATE, problem_code, request
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import RawRequest, ScriptedConnection
from support.scripted_upstream import Script, ScriptedUpstream, chunk, hang, play, reset, response

TABLE = """
fault              | requests | client gets    | attempts | outcome   | failure            | not retried

refuse             | any      | 502            | 2        | failed    | connect_refused    | attempts
black hole         | any      | 504            | 2        | failed    | connect_timeout    | attempts
all of two dead    | any      | 502            | 2        | failed    | connect_refused    | attempts
one of two dead    | any      | 200            | 2        | complete  | -                  | -

reset before head  | kept     | 502            | 2        | failed    | head_missing       | attempts
reset before head  | large    | 502            | 1        | failed    | head_missing       | body
stall before head  | kept     | 504            | 2        | failed    | first_byte_timeout | attempts
stall before head  | large    | 504            | 1        | failed    | first_byte_timeout | body
503, Retry-After   | kept     | upstream's 503 | 2        | complete  | -                  | attempts
503, Retry-After   | large    | upstream's 503 | 1        | complete  | -                  | body

garbage head       | any      | 502            | 1        | failed    | head_invalid       | -
oversize head      | any      | 502            | 1        | failed    | head_too_large     | -

reset after head   | any      | 200, cut       | 1        | truncated | body_cut           | -
reset in body      | any      | 200, cut       | 1        | truncated | body_cut           | -
stall in body      | any      | 200, cut       | 1        | timed_out | idle_timeout       | -
drip               | any      | 200, cut       | 1        | timed_out | rate_timeout       | -
"""
"""What was not sent at all is tried again whatever its size. What was sent is tried again if its body is kept and `on`
names the fault, which it does not for an upstream that speaks no HTTP. What breaks behind the head is cut."""

BODIES = {"GET": b"", "POST small": b"hello", "POST large": bytes(range(256)) * 1024}
REQUESTS = {"any": list(BODIES), "kept": ["GET", "POST small"], "large": ["POST large"]}
SETTINGS = {
    "defaults.timeouts": {"connect": "300ms", "first_byte": "700ms", "idle": "900ms", "min_rate": "1KiB/1s"},
    "defaults.retry": {
        "attempts": 2,
        "on": ["connect", "reset", "timeout", 503],
        "methods": ["GET", "POST"],
        "buffer": "64KiB",
        "retry_after_max": "2s",
        "budget": "off",
    },
}
LONGEST_SECONDS = 3.0
"""No fault holds up a client for longer, with these settings."""

_COMMITTED = threading.Event()
"""The client has the head: what breaks from now on breaks behind the commit."""


def committed(connection: ScriptedConnection) -> None:
    assert _COMMITTED.wait(5), "the head did not reach the client"


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SCRIPTS: dict[str, Script] = {
    "one of two dead": response(b"ok"),
    "reset before head": reset,
    "stall before head": hang,
    "503, Retry-After": response(b"busy", DATE, "Retry-After: 1", status="503 Service Unavailable"),
    "garbage head": [b"SSH-2.0-OpenSSH_9.7\r\n\r\n", hang],
    "oversize head": [b"HTTP/1.1 200 OK\r\nX-Pad: " + b"x" * 70_000 + b"\r\n\r\n", hang],
    "reset after head": [HEAD, committed, reset],
    "reset in body": [HEAD, chunk(b"half"), committed, reset],
    "stall in body": [HEAD, chunk(b"half"), hang],
    "drip": [HEAD, chunk(b"half"), *[0.1, chunk(b".")] * 50],
}
"""What the upstream does on each connection, once it has read the whole request."""


@dataclass(frozen=True)
class Cell:
    """One fault and one request, and what becomes of them."""

    fault: str
    request: str
    seen: str
    attempts: int
    outcome: str
    failure: str | None
    not_retried: str | None

    @property
    def target(self) -> str:
        return f"/{slug(self.fault)}/{slug(self.request)}"

    @property
    def body(self) -> bytes:
        return BODIES[self.request]

    @property
    def octets(self) -> bytes:
        lines = [f"Content-Length: {len(self.body)}"] if self.body else []
        return request(f"{self.request.split()[0]} {self.target} HTTP/1.1", *lines, body=self.body)


def slug(text: str) -> str:
    return text.replace(",", "").replace(" ", "-").lower()


def cells() -> list[Cell]:
    """Return the table's cells, a row's for each of its requests."""
    rows = [[cell.strip() for cell in line.split("|")] for line in TABLE.splitlines() if line][1:]
    return [
        Cell(fault, asked, seen, int(attempts), outcome, *(None if word == "-" else word for word in words))
        for fault, requests, seen, attempts, outcome, *words in rows
        for asked in REQUESTS[requests]
    ]


CELLS = cells()
FAULTS = list(dict.fromkeys(cell.fault for cell in CELLS))


class Matrix:
    """The gateway with a route for each fault, and the endpoints at which the faults wait."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        self.upstream = stack.enter_context(ScriptedUpstream(self._play))
        self.deaf = stack.enter_context(blackhole())
        dead, dead_too = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        special: dict[str, list[object]] = {
            "refuse": [dead],
            "black hole": [f"http://127.0.0.1:{self.deaf}"],
            "all of two dead": [dead, dead_too],
            # By priority, so that each request meets the dead one first.
            "one of two dead": [dead, {"url": self.upstream.url, "priority": 1}],
        }
        toml = "".join(toml_table(name, settings) for name, settings in SETTINGS.items())
        for fault in FAULTS:
            name = slug(fault)
            endpoints = special.get(fault, [self.upstream.url])
            toml += toml_table(f"upstreams.{name}", {"endpoints": endpoints, "keepalive": "0s"})
            toml += toml_table("[routes]", {"name": name, "path": f"/{name}/", "upstream": name})
        self.gateway = stack.enter_context(Gateway(toml, directory))
        self._scripts = {slug(fault): script for fault, script in SCRIPTS.items()}
        self._tried = attempts_at(self.deaf)
        self._descriptors = 0

    def requests(self, cell: Cell) -> list[RawRequest]:
        """Return what the upstream saw of the cell's request."""
        return [seen for seen in self.upstream.requests if seen.target == cell.target]

    def line(self, cell: Cell) -> Line:
        """Return the log line of the cell's exchange."""
        return self.gateway.wait_for_line(lambda line: line["target"] == cell.target)

    def settle(self) -> None:
        """Take what is open now, with nobody there, as what may be open."""
        self._descriptors = self.gateway.open_fds()

    def assert_nothing_leaked(self) -> None:
        """Fail unless all is as it was before the first fault."""
        running = self.gateway
        wait_until(lambda: self.upstream.open_connections == 0, 2, "the end of the upstream's connections")
        wait_until(lambda: running.open_upstream_connections(self.upstream.port) == 0, 2, "the end of the gateway's")
        wait_until(lambda: attempts_at(self.deaf) <= self._tried, 2, "the end of attempts to connect")
        wait_until(lambda: running.open_client_connections() == 0, 2, "the end of clients' connections")
        wait_until(lambda: running.open_fds() <= self._descriptors, 2, "the end of descriptors")
        assert running.admin("/-/ready").json()["streams"] == 0
        shown = running.admin("/-/upstreams").json()["upstreams"]
        assert {row["in_flight"] for upstream in shown for row in upstream["endpoints"]} == {0}

    def _play(self, connection: ScriptedConnection) -> None:
        play(self._scripts[connection.read_request().target.split("/")[1]], connection)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with ExitStack() as stack:
        running = Matrix(stack, tmp_path_factory.mktemp("matrix"))
        with RudeClient(running.gateway.address) as client:
            assert client.get("/one-of-two-dead/first").read_response().status == 200
        wait_until(lambda: running.gateway.open_client_connections() == 0, what="quiet before the faults")
        running.settle()
        yield running
        assert "Traceback" not in running.gateway.stderr()


def seen_by_client(answer: RawResponse) -> str:
    """Return what the client got, in the table's words."""
    if answer.complete:
        ours = "slowgate" in (answer.first("proxy-status") or "")
        return str(answer.status) if ours or answer.status == 200 else f"upstream's {answer.status}"
    return f"{answer.status}, cut" if answer.ending == "eof" else f"{answer.status}, {answer.ending}"


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{slug(cell.fault)}:{slug(cell.request)}")
def test_fault_ends_as_the_table_says_and_leaves_nothing_behind(matrix: Matrix, cell: Cell) -> None:
    """What the client gets, how often the upstream was asked, what the line tells, and that nothing is left open."""
    _COMMITTED.clear()
    began = time.monotonic()
    with RudeClient(matrix.gateway.address) as client:
        client.send(cell.octets).socket.recv(1, socket.MSG_PEEK)
        _COMMITTED.set()
        answer = client.read_response()
    assert time.monotonic() - began < patience(LONGEST_SECONDS)

    line = matrix.line(cell)
    told = [line[key] for key in ("attempts", "outcome", "failure", "not_retried")]
    assert [seen_by_client(answer), *told] == [
        cell.seen, cell.attempts, cell.outcome, cell.failure, cell.not_retried
    ]  # fmt: skip
    assert line["status"] == answer.status
    assert line["side"] == ("upstream" if cell.failure else None)
    if cell.outcome == "failed":
        assert problem_code(answer) == cell.failure
    if cell.seen == "200, cut":  # What came before the break was relayed.
        assert answer.body.startswith(b"" if cell.fault == "reset after head" else b"half")
    if cell.fault == "503, Retry-After":
        assert (line["total_ms"] >= 1000) == (cell.attempts == 2)
    if cell.fault in SCRIPTS:
        unsent = cell.fault == "one of two dead"  # The first attempt went elsewhere.
        assert [seen.body == cell.body for seen in matrix.requests(cell)] == [True] * (cell.attempts - unsent)
    matrix.assert_nothing_leaked()


def test_table_names_each_fault_with_each_request_once() -> None:
    """No cell of the matrix is left out, and none is told twice."""
    assert sorted((cell.fault, cell.request) for cell in CELLS) == sorted(product(FAULTS, BODIES))
    assert set(SCRIPTS) <= set(FAULTS)
