"""Waiting for a slot, through the real server: who goes when, who is refused, and that every slot comes back."""

import contextlib
import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import StartGateway
from support.conditions import patience, wait_until
from support.framing import PeerClosed
from support.gateway_process import Gateway, Line, route_to, toml_table
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, response

LEAVERS = 300


class Gated:
    """An upstream that answers a request when the test says so, and remembers the order in which they came."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self._free = threading.Semaphore(0)
        self._open = False
        self.server = ScriptedUpstream(self._serve)

    def _serve(self, connection: ScriptedConnection) -> None:
        request = connection.read_request()
        self.arrived.append(request.target)
        while not self._open and not self._free.acquire(timeout=0.02):
            if not connection.is_open:
                return
        connection.send(response(b"ok"))

    def answer(self, count: int = 1) -> None:
        """Let ``count`` requests be answered."""
        self._free.release(count)

    def answer_all(self) -> None:
        """Answer everything from now on."""
        self._open = True

    def has(self, count: int) -> None:
        """Wait until ``count`` requests have come."""
        wait_until(lambda: len(self.arrived) >= count, 5, f"request {count}; there are {self.arrived}")


@pytest.fixture
def upstream() -> Iterator[Gated]:
    gated = Gated()
    with gated.server:
        yield gated
        gated.answer_all()


Start = Callable[..., Gateway]


@pytest.fixture
def start(gateway: StartGateway, upstream: Gated) -> Start:
    """Start a gateway whose upstream has these limits; ``routes`` are further ones, by name."""

    def start_(
        limits: Mapping[str, object],
        *,
        timeouts: Mapping[str, object] | None = None,
        routes: Mapping[str, Mapping[str, object]] | None = None,
        **options: Any,
    ) -> Gateway:
        return gateway(configured(upstream, limits, timeouts, routes), **options)

    return start_


def configured(
    upstream: Gated,
    limits: Mapping[str, object],
    timeouts: Mapping[str, object] | None = None,
    routes: Mapping[str, Mapping[str, object]] | None = None,
) -> str:
    text = route_to(upstream.server.url, upstream={"limits": limits, "timeouts": timeouts or {}, "keepalive": "0s"})
    for name, settings in (routes or {}).items():
        text += toml_table("[routes]", {"name": name, "path": f"/{name}/", "upstream": "up", **settings})
    return text


class Asking:
    """Clients that have asked and not been answered yet, each on a connection of its own."""

    def __init__(self, running: Gateway) -> None:
        self._gateway = running
        self._clients: list[RudeClient] = []
        self.count = 0

    def __enter__(self) -> "Asking":
        return self

    def __exit__(self, *exc_info: object) -> None:
        for client in self._clients:
            client.socket.close()

    def ask(self, target: str, *lines: str) -> RudeClient:
        """Ask, and return when the gateway has begun with it, so that requests come in a known order."""
        client = RudeClient(self._gateway.address)
        self._clients.append(client)
        client.get(target, *lines)
        self.count += 1
        wait_until(lambda: streams(self._gateway) >= self.count, 5, f"the gateway to take {target}")
        return client


def streams(running: Gateway) -> int:
    """Return how many exchanges are under way, waiting ones included."""
    return int(running.admin("/-/ready").json()["streams"])


def line_of(running: Gateway, target: str) -> Line:
    return running.wait_for_line(lambda line: line["target"] == target)


def refused(answer: RawResponse, code: str) -> None:
    """The answer is a 503 that says why and when to come again."""
    assert (answer.status, answer.complete) == (503, True)
    assert json.loads(answer.body)["code"] == code
    assert "error=connection_limit_reached" in (answer.first("proxy-status") or "")
    assert 1 <= int(answer.first("retry-after") or "") <= 60


def test_requests_wait_for_the_slot_and_get_it_in_their_order(start: Start, upstream: Gated) -> None:
    """One at once at the upstream, the others in turn; the line says how long each waited."""
    running = start({"max_concurrent": 1, "max_queued": 5})
    with Asking(running) as asking:
        clients = [asking.ask(f"/{number}") for number in range(4)]
        for number, client in enumerate(clients):
            upstream.has(number + 1)
            assert len(upstream.arrived) == number + 1
            upstream.answer()
            assert client.read_response().body == b"ok"
    assert upstream.arrived == ["/0", "/1", "/2", "/3"]
    first, last = line_of(running, "/0"), line_of(running, "/3")
    assert (first["queued_ms"], first["priority"]) == (None, None)
    assert last["queued_ms"] > 0 and last["priority"] == "normal"
    assert last["head_ms"] >= last["queued_ms"]
    assert last["outcome"] == "complete"


def test_higher_class_goes_first(start: Start, upstream: Gated) -> None:
    """Whoever came before it in a lower class still waits."""
    classes = {name: {"limits": {"priority": name}} for name in ("high", "low")}
    running = start({"max_concurrent": 1, "max_queued": 9}, routes=classes)
    with Asking(running) as asking:
        for target in ("/first", "/low/1", "/normal", "/high/1", "/high/2"):
            asking.ask(target)
        upstream.has(1)
        upstream.answer_all()
        upstream.has(5)
    assert upstream.arrived == ["/first", "/high/1", "/high/2", "/normal", "/low/1"]
    assert line_of(running, "/high/1")["priority"] == "high"


def test_two_tenants_take_turns(start: Start, upstream: Gated) -> None:
    """A tenant with many requests delays another's by one turn each; a tenant cannot fill the queue for itself."""
    running = start({"max_concurrent": 1, "max_queued": 6, "fair_by": "header:X-Tenant"})
    with Asking(running) as asking:
        big = [asking.ask(f"/big-{number}", "X-Tenant: big") for number in range(7)]
        asking.count -= 2  # Two of them will have to go.
        asking.ask("/small-1", "X-Tenant: small")
        refused(big[6].read_response(), "queue_full")  # Its newest place goes to who had none.
        asking.ask("/small-2", "X-Tenant: small")
        refused(big[5].read_response(), "queue_full")
        upstream.answer_all()
        upstream.has(7)
    assert upstream.arrived[:5] == ["/big-0", "/big-1", "/small-1", "/big-2", "/small-2"]


def test_client_that_leaves_the_queue_frees_its_place(start: Start, upstream: Gated) -> None:
    """Its request never reaches the upstream, and the next newcomer gets its place."""
    running = start({"max_concurrent": 1, "max_queued": 1})
    with Asking(running) as asking:
        asking.ask("/runs")
        leaver = asking.ask("/leaves")
        with RudeClient(running.address) as client:
            refused(client.get("/refused").read_response(), "queue_full")
        leaver.socket.close()
        assert line_of(running, "/leaves")["outcome"] == "client_gone"
        asking.count -= 1
        waits = asking.ask("/waits")
        upstream.answer_all()
        assert waits.read_response().status == 200
    assert upstream.arrived == ["/runs", "/waits"]
    told = line_of(running, "/leaves")
    assert (told["attempts"], told["priority"]) == (0, "normal") and told["queued_ms"] > 0


def test_client_that_leaves_with_a_body_on_the_way_frees_its_place(start: Start, upstream: Gated) -> None:
    """Octets that nobody reads yet do not hide that their sender has gone."""
    running = start({"max_concurrent": 1, "max_queued": 1})
    with Asking(running) as asking:
        asking.ask("/runs")
        leaver = RudeClient(running.address)
        leaver.send(b"POST /leaves HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\npart")
        wait_until(lambda: streams(running) == 2, 5, "both")
        leaver.socket.close()
        assert line_of(running, "/leaves")["outcome"] == "client_gone"


def test_wait_that_takes_too_long_is_503(start: Start, upstream: Gated) -> None:
    """It says so, and when to come again; the upstream never heard of it; the slot is not touched."""
    running = start({"max_concurrent": 1, "max_queued": 5}, timeouts={"queue": "300ms"})
    with Asking(running) as asking:
        runs = asking.ask("/runs")
        refused(asking.ask("/late").read_response(), "queue_timeout")
        told = line_of(running, "/late")
        assert (told["outcome"], told["failure"], told["side"]) == ("rejected", "queue_timeout", "gateway")
        assert 290 <= told["queued_ms"] < 1000 * patience(1.5) and told["attempts"] == 0
        upstream.answer_all()
        assert runs.read_response().status == 200
    assert upstream.arrived == ["/runs"]


def test_full_queue_is_503_at_once(start: Start, upstream: Gated) -> None:
    """Nobody waits for nothing; with a queue of none, whoever finds no slot is refused."""
    running = start({"max_concurrent": 1, "max_queued": 0}, timeouts={"queue": "10s"})
    with Asking(running) as asking:
        asking.ask("/runs")
        with RudeClient(running.address) as client:
            refused(client.get("/refused").read_response(), "queue_full")
    told = line_of(running, "/refused")
    assert (told["outcome"], told["queued_ms"]) == ("rejected", None)
    assert told["total_ms"] < 1000 * patience(1)


def test_route_and_upstream_limits_both_hold(start: Start, upstream: Gated) -> None:
    """A route with a slot of one leaves the other slots of the upstream to the other routes."""
    running = start({"max_concurrent": 2, "max_queued": 9}, routes={"one": {"limits": {"max_concurrent": 1}}})
    with Asking(running) as asking:
        for target in ("/one/1", "/one/2", "/other-1", "/other-2"):
            asking.ask(target)
        upstream.has(2)
        assert sorted(upstream.arrived) == ["/one/1", "/other-1"]
        upstream.answer_all()
        upstream.has(4)
    assert sorted(upstream.arrived) == ["/one/1", "/one/2", "/other-1", "/other-2"]


def test_shutdown_lets_waiting_requests_have_their_turn(start: Start, upstream: Gated) -> None:
    """They were taken before it; who still waits when the patience is over is told so."""
    running = start({"max_concurrent": 1, "max_queued": 9}, server={"drain_timeout": "2s"})
    with Asking(running) as asking:
        clients = [asking.ask(f"/{number}") for number in range(3)]
        upstream.has(1)
        running.signal(signal.SIGTERM)
        wait_until(lambda: running.admin("/-/ready").status == 503, 2, "the drain")
        upstream.answer()
        assert clients[0].read_response().status == 200
        upstream.has(2)
        answer = clients[2].read_response()
        assert (answer.status, json.loads(answer.body)["code"]) == (503, "drained")
        assert running.wait(10) == 0
    assert line_of(running, "/2")["outcome"] == "drained"
    assert upstream.arrived == ["/0", "/1"]


def test_reload_keeps_places_and_leases(start: Start, upstream: Gated) -> None:
    """What waits waits on, what runs counts on; a wider limit lets those in who wait."""
    limits = {"max_concurrent": 1, "max_queued": 9}
    running = start(limits)
    with Asking(running) as asking:
        clients = [asking.ask(f"/{number}") for number in range(3)]
        upstream.has(1)
        reload(running, configured(upstream, limits, {"idle": "99s"}), 2)
        clients.append(asking.ask("/3"))
        assert upstream.arrived == ["/0"]
        reload(running, configured(upstream, {**limits, "max_concurrent": 2}), 3)
        upstream.has(2)
        assert upstream.arrived == ["/0", "/1"]
        upstream.answer_all()
        assert [client.read_response().status for client in clients] == [200] * 4
    assert sorted(upstream.arrived[2:]) == ["/2", "/3"]  # Both slots came free at once.


def reload(running: Gateway, text: str, offered: int) -> None:
    running.write(text)
    running.signal(signal.SIGHUP)
    wait_until(lambda: running.admin("/-/ready").json()["configuration"]["offered"] == offered, 5, "the reload")


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("limits", [{"max_concurrent": 3, "max_queued": 20, "fair_by": "header:X-Tenant"}])
def test_after_clients_that_left_at_random_every_slot_is_back(
    start: Start, upstream: Gated, limits: Mapping[str, object]
) -> None:
    """In the queue, at the upstream, in the answer, politely or not: then as many run at once as before."""
    running = start(limits, routes={"one": {"limits": {"max_concurrent": 2, "max_queued": 9}}})
    dice = random.Random(4)

    def come_and_go(number: int) -> None:
        pause, reset, target = dice.random() * 0.06, dice.random() < 0.5, dice.choice(["/x", "/one/x"])
        with contextlib.suppress(OSError, PeerClosed), RudeClient(running.address) as client:
            client.get(target, f"X-Tenant: {number % 5}")
            time.sleep(pause)
            if dice.random() < 0.3:
                upstream.answer()
            if reset:
                client.reset()

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(come_and_go, range(LEAVERS)))
    wait_until(lambda: streams(running) == 0, 10, "the end of every exchange")
    while upstream._free.acquire(blocking=False):
        pass  # Answers that nobody wanted.
    before = len(upstream.arrived)
    with Asking(running) as asking:
        for target in ("/one/a", "/one/b", "/one/c", "/d", "/e"):
            asking.ask(target)
        # Of those that left, some requests may only now be read there.
        wait_until(lambda: len(of_those_that_stay(upstream, before)) >= 3, 5, "three of them at the upstream")
        assert sorted(of_those_that_stay(upstream, before)) == ["/d", "/one/a", "/one/b"]
    wait_until(lambda: len(running.log_lines()) >= LEAVERS, 10, "all lines")
    assert not [line for line in running.log_lines() if line["outcome"] in ("broken", "failed")]


def of_those_that_stay(upstream: Gated, before: int) -> list[str]:
    return [target for target in upstream.arrived[before:] if not target.endswith("/x")]


def test_with_a_limit_an_upstream_never_sees_more_than_it_bears(start: Start, upstream: Gated) -> None:
    """Offered sixty at once, it works on five, five wait, and the rest is refused although nothing was answered."""
    running = start({"max_concurrent": 5, "max_queued": 5}, timeouts={"queue": "30s"})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(RudeClient(running.address)) for _ in range(60)]
        for number, client in enumerate(clients):
            client.get(f"/{number}")
        wait_until(lambda: len(running.log_lines()) == 50, 10, "all refusals")
        assert {line["failure"] for line in running.log_lines()} == {"queue_full"}
        upstream.has(5)
        assert len(upstream.arrived) == 5
        upstream.answer_all()
        wait_until(lambda: len(running.log_lines()) == 60, 10, "all answers")
    assert len(upstream.arrived) == 10
    assert [line["outcome"] for line in running.log_lines()].count("complete") == 10
