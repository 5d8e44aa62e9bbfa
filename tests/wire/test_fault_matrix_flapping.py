"""The fault matrix, continued: one endpoint of two that comes and goes, with retries and a breaker."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.conditions import wait_until
from support.gateway_process import Gateway, Line, route_to
from support.rig import problem_code, request
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, response

TABLE = """
requests   | while it fails, until the breaker trips | meanwhile, and afterwards
GET        | 200 after 2 attempts                    | 200 after 1 attempt
POST small | 200 after 2 attempts                    | 200 after 1 attempt
POST large | 502 after 1 attempt: body               | 200 after 1 attempt
"""
"""What is kept goes to the other endpoint, and no client notices; the body that is not kept is sent once. The breaker
counts both, and soon nobody meets the endpoint any more, but for those that try it out."""

WELL = "200 after 1 attempt"
BODIES = {"GET": b"", "POST small": b"hello", "POST large": bytes(range(256)) * 1024}
TRIPS_AFTER = 2
UPSTREAM = {
    "keepalive": "0s",
    "breaker": {"failures": TRIPS_AFTER, "window": "30s", "open": "1s", "max_open": "1s"},
    "retry": {
        "attempts": 2,
        "on": ["connect", "reset"],
        "methods": ["GET", "POST"],
        "buffer": "64KiB",
        "budget": "50%",
    },
}


def rows() -> list[tuple[str, str]]:
    """Return the requests, and what they get from the endpoint while it fails; all else is `WELL`."""
    cells = [[cell.strip() for cell in line.split("|")] for line in TABLE.splitlines() if line][1:]
    assert {well for *_, well in cells} == {WELL}
    return [(asked, failing) for asked, failing, _ in cells]


class Pair:
    """A gateway with an endpoint that flaps and one that does not."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        self.well = True
        self.flapping = stack.enter_context(ScriptedUpstream(self._serve))
        self.steady = stack.enter_context(ScriptedUpstream(answer))
        endpoints = [self.flapping.url, self.steady.url]
        self.gateway = stack.enter_context(
            Gateway(route_to("", upstream={**UPSTREAM, "endpoints": endpoints}), directory)
        )
        self._descriptors = 0

    def ask(self, name: str) -> str:
        """Send one request; return what became of it, in the table's words."""
        body = BODIES[name]
        lines = [f"Content-Length: {len(body)}"] if body else []
        with RudeClient(self.gateway.address) as client:
            got = client.send(request(f"{name.split()[0]} / HTTP/1.1", *lines, body=body)).read_response()
        assert got.complete
        line = self.gateway.wait_for_line(lambda line: line["id"] == got.first("x-request-id"))
        assert line["status"] == got.status
        if got.status != 200:
            assert (problem_code(got), line["failure"], line["outcome"]) == ("head_missing", "head_missing", "failed")
        else:
            assert (line["outcome"], got.body) == ("complete", b"ok")
        return told(line)

    def ask_until(self, name: str, state: str) -> list[str]:
        """Ask until the flapping endpoint is in ``state``; return what became of the requests."""
        ends: list[str] = []

        def asked() -> bool:
            ends.append(self.ask(name))
            return self.state() == state

        wait_until(asked, 5, f"the endpoint to be {state}")
        return ends

    def state(self) -> str:
        """Return how the flapping endpoint stands."""
        (upstream,) = self.gateway.admin("/-/upstreams").json()["upstreams"]
        state: str = upstream["endpoints"][0]["state"]
        return state

    def settle(self) -> None:
        """Take what is open now, with nobody there, as what may be open."""
        wait_until(lambda: self.gateway.open_client_connections() == 0, what="quiet before the fault")
        self._descriptors = self.gateway.open_fds()

    def assert_nothing_leaked(self) -> None:
        """Fail unless all is as it was before."""
        for upstream in (self.flapping, self.steady):
            upstream.wait_until(lambda each: each.open_connections == 0)
        wait_until(lambda: self.gateway.open_client_connections() == 0, 2, "the end of clients' connections")
        wait_until(lambda: self.gateway.open_fds() <= self._descriptors, 2, "the end of descriptors")
        assert self.gateway.admin("/-/ready").json()["streams"] == 0
        (shown,) = self.gateway.admin("/-/upstreams").json()["upstreams"]
        assert [row["in_flight"] for row in shown["endpoints"]] == [0, 0]
        assert "Traceback" not in self.gateway.stderr()

    def _serve(self, connection: ScriptedConnection) -> None:
        connection.read_request()
        if self.well:
            connection.send(response(b"ok"))
        else:
            connection.reset()


def answer(connection: ScriptedConnection) -> None:
    connection.read_request()
    connection.send(response(b"ok"))


def told(line: Line) -> str:
    plural = "s" * (line["attempts"] > 1)
    why = f": {line['not_retried']}" if line["not_retried"] else ""
    return f"{line['status']} after {line['attempts']} attempt{plural}{why}"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stack, tmp_path)


@pytest.mark.parametrize(("name", "failing"), rows(), ids=BODIES)
def test_endpoint_that_flaps_is_met_until_the_breaker_trips(pair: Pair, name: str, failing: str) -> None:
    """Each time that it goes it costs as many attempts as trip the breaker, and nothing is left behind."""
    assert [pair.ask(name) for _ in range(2)] == [WELL, WELL]
    pair.settle()
    for _ in range(2):
        pair.well = False
        met = pair.ask_until(name, "tripped")
        assert (met.count(failing), set(met) - {failing, WELL}) == (TRIPS_AFTER, set())
        assert pair.ask(name) == WELL
        pair.well = True
        assert set(pair.ask_until(name, "available")) == {WELL}
        assert [pair.ask(name) for _ in range(4)] == [WELL] * 4
    pair.assert_nothing_leaked()
