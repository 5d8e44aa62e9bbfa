"""A second attempt beside a slow one, through the real server: who is asked, who is let go, and what is left over."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from conftest import StartGateway
from support.conditions import patience, wait_until
from support.gateway_process import Gateway, Line, toml_table
from support.ports import free_port
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, response
from wire.test_reload import reload

AFTER = "60ms"
SILENT, FAST, BUSY, BROKEN = "silent", "fast", "busy", "broken"


class Service:
    """An endpoint that answers with its name, at once or never, or badly, as it is told for each exchange."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.act = FAST
        self.delay_seconds = 0.0
        self.upstream = ScriptedUpstream(self._serve)
        self.closed = threading.Semaphore(0)
        """One for each silent connection that the gateway ended."""

    @property
    def asked(self) -> int:
        return len(self.upstream.requests)

    def _serve(self, connection: ScriptedConnection) -> None:
        while connection.is_open:
            connection.read_request()
            connection.pause(self.delay_seconds)
            if self.act == SILENT:
                try:
                    connection.wait_closed(10.0)
                finally:
                    self.closed.release()
                return
            if self.act == BROKEN:
                connection.close()
                return
            status = "503 Service Unavailable" if self.act == BUSY else "200 OK"
            connection.send(response(self.name.encode(), status=status))


@pytest.fixture
def services() -> Iterator[tuple[Service, Service]]:
    """Two endpoints: a, which is asked first, and b."""
    with ExitStack() as stack:
        pair = Service("a"), Service("b")
        for each in pair:
            stack.enter_context(each.upstream)
        yield pair


def hedging(a: str, b: str, hedge: object = None, **settings: object) -> str:
    """Return the TOML of an upstream that is always asked at ``a`` first: ``b`` is a fallback."""
    endpoints = [{"url": a}, {"url": b, "priority": 1}]
    table: dict[str, object] = {"endpoints": endpoints, "hedge": hedge or {"after": AFTER}, **settings}
    return toml_table("upstreams.up", table) + toml_table("[routes]", {"name": "all", "path": "/", "upstream": "up"})


def ask(running: Gateway, method: str = "GET", body: bytes = b"") -> tuple[RawResponse, Line]:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    with RudeClient(running.address) as client:
        octets = f"{method} / HTTP/1.1\r\nHost: x\r\n{length}\r\n".encode() + body
        answer = client.send(octets).read_response(method=method)
    return answer, running.wait_for_line(lambda line: line["id"] == answer.first("x-request-id"))


def told(line: Line) -> tuple[object, ...]:
    return line["attempts"], line["retried"], line.get("hedged")


def shown(running: Gateway) -> list[dict[str, Any]]:
    (upstream,) = running.admin("/-/upstreams").json()["upstreams"]
    return list(upstream["endpoints"])


def assert_nothing_left(running: Gateway) -> None:
    wait_until(lambda: [row["in_flight"] for row in shown(running)] == [0, 0], 2, "the account of the endpoints")
    assert running.admin("/-/ready").json()["streams"] == 0


def test_slow_endpoint_is_overtaken_and_its_connection_closed(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """The client gets the second one's answer; the first is let go at once, and not blamed."""
    a, b = services
    a.act = SILENT
    breaker = {"failures": 1, "window": "10s", "open": "10s"}
    running = gateway(hedging(a.upstream.url, b.upstream.url, breaker=breaker))

    answer, line = ask(running)

    assert (answer.status, answer.body, told(line)) == (200, b"b", (2, "superseded", "won"))
    assert line["endpoint"] == b.upstream.url
    assert a.closed.acquire(timeout=patience(1))
    assert_nothing_left(running)
    assert [(row["state"], row["failures"]) for row in shown(running)] == [("available", 0), ("available", 0)]
    first, second = (row["first_byte_p95_ms"] for row in shown(running))
    assert first >= 60 and second < 1000 * patience(0.06)


def test_fast_endpoint_is_asked_alone(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """The second never hears of it; connections are kept as ever."""
    a, b = services
    running = gateway(hedging(a.upstream.url, b.upstream.url, {"after": "5s"}))

    for _ in range(5):
        answer, line = ask(running)
        assert (answer.body, told(line)) == (b"a", (1, None, None))

    assert (a.asked, b.asked, b.upstream.connections, a.upstream.connections) == (5, 0, 0, 1)


def test_slow_endpoint_that_answers_first_wins(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """The hedge is the one to go."""
    a, b = services
    a.delay_seconds, b.act = 0.3, SILENT
    running = gateway(hedging(a.upstream.url, b.upstream.url))

    answer, line = ask(running)

    assert (answer.body, told(line)) == (b"a", (2, "superseded", "lost"))
    assert b.closed.acquire(timeout=patience(1))
    assert_nothing_left(running)


def test_failure_before_the_delay_is_retried_as_ever(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """The retry is one, and no hedge."""
    a, b = services
    a.act = BUSY
    running = gateway(hedging(a.upstream.url, b.upstream.url, {"after": "5s"}, retry={"on": [503]}))

    answer, line = ask(running)

    assert (answer.body, told(line)) == (b"b", (2, "503", None))


def test_failure_of_the_first_beside_its_hedge_is_its_own(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """It counts against its endpoint, as it would alone."""
    a, b = services
    a.act, a.delay_seconds, b.delay_seconds = BROKEN, 0.15, 0.3
    running = gateway(hedging(a.upstream.url, b.upstream.url))

    answer, line = ask(running)

    assert (answer.body, told(line)) == (b"b", (2, "head_missing", "won"))
    assert [row["failures"] for row in shown(running)] == [1, 0]


@pytest.mark.parametrize(
    ("attempts", "retried", "not_retried"),
    [(2, "head_missing", "attempts"), (3, "head_missing,503", "attempts")],
)
def test_two_bad_ends_go_on_as_the_retry_says(
    gateway: StartGateway,
    services: tuple[Service, Service],
    attempts: int,
    retried: str,
    not_retried: str,
) -> None:
    """A hedge is one of the tries; what comes behind it is asked alone."""
    a, b = services
    a.act, a.delay_seconds, b.act = BROKEN, 0.1, BUSY
    running = gateway(
        hedging(a.upstream.url, b.upstream.url, retry={"attempts": attempts, "on": ["reset", 503], "budget": "off"})
    )

    _, line = ask(running)

    assert line["attempts"] == attempts
    assert line["not_retried"] == not_retried
    assert line["retried"] == retried
    assert a.asked + b.asked == attempts


def test_client_that_leaves_during_the_race_lets_both_go(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """Both connections end, and neither endpoint is blamed."""
    a, b = services
    a.act = b.act = SILENT
    running = gateway(hedging(a.upstream.url, b.upstream.url))
    with RudeClient(running.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: b.asked == 1, 5, "the race")

    assert a.closed.acquire(timeout=patience(1))
    assert b.closed.acquire(timeout=patience(1))
    line = running.wait_for_line()
    assert (line["outcome"], told(line)) == ("client_gone", (2, "client_gone", None))
    assert_nothing_left(running)
    assert [row["failures"] for row in shown(running)] == [0, 0]


def test_total_timeout_ends_both(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """The exchange has one end, whatever is under way for it."""
    a, b = services
    a.act = b.act = SILENT
    running = gateway(hedging(a.upstream.url, b.upstream.url, timeouts={"total": "300ms"}))

    answer, line = ask(running)

    assert (answer.status, line["failure"]) == (504, "total_timeout")
    assert a.closed.acquire(timeout=patience(1))
    assert b.closed.acquire(timeout=patience(1))
    assert_nothing_left(running)


def test_exhausted_budget_lets_the_first_be_waited_for(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """Three are always allowed; the fourth exchange is told why it had no second attempt."""
    a, b = services
    a.delay_seconds = 0.2
    running = gateway(hedging(a.upstream.url, b.upstream.url, retry={"budget": "1%"}))

    ends = [told(ask(running)[1]) for _ in range(4)]

    assert ends == [(2, "superseded", "won")] * 3 + [(1, None, "budget")]
    assert running.admin("/-/upstreams").json()["upstreams"][0]["retries_refused"] == 1


@pytest.mark.parametrize(("method", "body"), [("POST", b""), ("GET", b"a body"), ("DELETE", b"")])
def test_what_should_not_be_done_twice_is_not_hedged(
    gateway: StartGateway, services: tuple[Service, Service], method: str, body: bytes
) -> None:
    """Neither another method nor a request with a body."""
    a, b = services
    a.delay_seconds = 0.3
    running = gateway(hedging(a.upstream.url, b.upstream.url))

    answer, line = ask(running, method, body)

    assert (answer.body, told(line), b.asked) == (b"a", (1, None, None), 0)


def test_endpoint_that_is_not_available_is_not_asked(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """A hedge has to have somewhere to go: here the other one's breaker is open."""
    a, _ = services
    breaker = {"failures": 1, "window": "10s", "open": "10s"}
    dead = f"http://127.0.0.1:{free_port()}"
    running = gateway(hedging(a.upstream.url, dead, breaker=breaker))
    a.delay_seconds = 0.2
    assert told(ask(running)[1]) == (2, "connect_refused", "lost")

    assert told(ask(running)[1]) == (1, None, None)


def test_p95_hedges_once_enough_is_known(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """Twenty answers tell what is slow; before them nothing is."""
    a, b = services
    running = gateway(hedging(a.upstream.url, b.upstream.url, {"after": "p95"}))
    a.delay_seconds = 0.05
    lines = [ask(running)[1] for _ in range(20)]
    assert {told(line) for line in lines} == {(1, None, None)}
    a.delay_seconds = 1.0

    answer, line = ask(running)

    assert (answer.body, told(line)) == (b"b", (2, "superseded", "won"))
    assert 50 <= line["head_ms"] < 1000 * patience(0.5)


def test_reload_during_a_race_changes_nothing_for_it(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """The exchange keeps its route and its connections to its end."""
    a, b = services
    a.act, b.delay_seconds = SILENT, 0.5
    running = gateway(hedging(a.upstream.url, b.upstream.url))
    with RudeClient(running.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: b.asked == 1, 5, "the race")
        running.write(hedging(a.upstream.url, b.upstream.url, {"after": "off"}, keepalive="1s"))
        assert reload(running).returncode == 0
        answer = client.read_response()

    assert (answer.status, answer.body) == (200, b"b")
    assert told(running.wait_for_line()) == (2, "superseded", "won")
    assert a.closed.acquire(timeout=patience(1))
    assert_nothing_left(running)


def test_hundred_races_leave_nothing_behind(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """Neither descriptors nor connections nor places in the accounts."""
    a, b = services
    a.act = SILENT
    running = gateway(
        hedging(a.upstream.url, b.upstream.url, {"after": "5ms"}, retry={"budget": "off"}, keepalive="0s")
    )
    ask(running)
    wait_until(lambda: running.open_upstream_connections(a.upstream.port) == 0, 2, "the first loser to go")
    before = running.open_fds()
    clients = [threading.Thread(target=lambda: [ask(running) for _ in range(25)]) for _ in range(4)]
    for each in clients:
        each.start()
    for each in clients:
        each.join(60)

    # Not one by one: the slow machine's loser may be gone before its request was read.
    wait_until(lambda: a.upstream.open_connections == 0, 5, "the end of the silent connections")
    assert_nothing_left(running)
    wait_until(lambda: running.open_upstream_connections(a.upstream.port) == 0, 2, "the losers' connections to go")
    wait_until(lambda: running.open_fds() <= before, 5, "the end of all descriptors")
    assert {told(line) for line in running.log_lines()} == {(2, "superseded", "won")}
