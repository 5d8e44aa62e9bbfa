"""Kept-alive connections: which one is taken, which are dropped, and how many are kept."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, for_each_request, in_turn, read_request, response
from upstream.attempts import Moments

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import FailureError
from gateway.exchange.route import Upstream
from gateway.exchange.target import parse_endpoint
from gateway.upstream.chunks import Body
from gateway.upstream.connection import Sending
from gateway.upstream.pool import FieldLines, Pool

StartUpstream = Callable[..., ScriptedUpstream]
ANSWERS = for_each_request(response(b"ok"))


class Clock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Lender:
    """A pool at a scripted upstream, and the attempts made with it."""

    def __init__(self, upstream: ScriptedUpstream, **settings: Any) -> None:
        self.endpoint = parse_endpoint(upstream.url)
        self.clock = Clock()
        self.pool = Pool(self.endpoint, Upstream("scripted", (self.endpoint,), **settings), None, clock=self.clock)
        self.attempts: list[Attempt] = []

    def ask(self) -> Body:
        """Return an answer whose body is not read yet."""
        self.attempts.append(Attempt(self.endpoint))
        sending = Sending(self.attempts[-1], None, Moments())
        return self.pool.urlopen("GET", "/", FieldLines([], sending))

    @property
    def reused(self) -> list[bool]:
        return [attempt.reused for attempt in self.attempts]


@pytest.fixture
def lend(scripted_upstream: StartUpstream) -> Any:
    """Make pools at upstreams that follow a script; they are closed with the test."""
    made: list[Lender] = []

    def make(script: Any, **settings: Any) -> tuple[Lender, ScriptedUpstream]:
        upstream = scripted_upstream(script)
        made.append(Lender(upstream, **settings))
        return made[-1], upstream

    yield make
    for lender in made:
        lender.pool.close()


def test_connection_is_used_again_after_a_clean_end(lend: Any) -> None:
    """One connection serves request after request."""
    lender, upstream = lend(ANSWERS)

    for _ in range(3):
        assert list(lender.ask()) == [b"ok"]

    assert lender.reused == [False, True, True]
    assert upstream.connections == 1


class Gate:
    """An answer whose last octet waits until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.script = for_each_request([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", self._pass, b"k"])

    def _pass(self, _: ScriptedConnection) -> None:
        assert self.opened.wait(10)


def test_connection_used_last_is_taken_first(lend: Any) -> None:
    """The others may grow old and go."""
    gate = Gate()
    lender, upstream = lend(gate.script)
    first, second = lender.ask(), lender.ask()
    gate.opened.set()
    list(second)
    list(first)

    list(lender.ask())

    assert upstream.requests[-1].connection == 0
    assert upstream.connections == 2


def test_connection_idle_for_too_long_is_not_used(lend: Any) -> None:
    """The upstream is probably closing it just now (F12)."""
    lender, upstream = lend(ANSWERS, keepalive_seconds=4.0)
    list(lender.ask())
    lender.clock.now += 4.1

    list(lender.ask())

    assert lender.reused == [False, False]
    upstream.wait_until(lambda it: it.open_connections == 1)


def test_connection_idle_for_the_allowed_time_is_used(lend: Any) -> None:
    """The limit is what it says."""
    lender, _ = lend(ANSWERS, keepalive_seconds=4.0)
    list(lender.ask())
    lender.clock.now += 3.9

    list(lender.ask())

    assert lender.reused == [False, True]


@pytest.mark.parametrize("settings", [{"keepalive_seconds": 0.0}, {"max_idle_connections": 0}])
def test_connection_is_not_kept_where_none_may_be(lend: Any, settings: dict[str, Any]) -> None:
    """Each request gets a connection of its own then."""
    lender, upstream = lend(ANSWERS, **settings)

    list(lender.ask())
    list(lender.ask())

    assert lender.reused == [False, False]
    upstream.wait_until(lambda it: it.open_connections == 0)


def test_oldest_idle_connections_make_room(lend: Any) -> None:
    """The number of idle connections is bounded; those in use are not counted."""
    gate = Gate()
    lender, upstream = lend(gate.script, max_idle_connections=2)
    bodies = [lender.ask() for _ in range(4)]
    assert upstream.connections == 4
    gate.opened.set()

    for body in bodies:
        list(body)

    upstream.wait_until(lambda it: it.open_connections == 2)


def test_connection_closed_by_the_upstream_is_not_used(lend: Any) -> None:
    """Its end is seen before a request is lost on it."""
    lender, upstream = lend([read_request, response(b"ok")])
    list(lender.ask())
    upstream.wait_until(lambda it: it.open_connections == 0)

    assert list(lender.ask()) == [b"ok"]
    assert lender.reused == [False, False]


def test_stray_octets_never_reach_the_next_request(lend: Any) -> None:
    """Whatever an upstream sends unasked, the next client gets an answer of its own."""
    stray = threading.Event()
    sent = threading.Event()

    def send_unasked(connection: ScriptedConnection) -> None:
        assert stray.wait(10)
        connection.send(response(b"stray"))
        sent.set()
        connection.hang()

    lender, _ = lend(in_turn([read_request, response(b"first"), send_unasked], ANSWERS))
    assert list(lender.ask()) == [b"first"]
    stray.set()
    assert sent.wait(10)

    assert list(lender.ask()) == [b"ok"]
    assert lender.reused == [False, False]


def test_closed_pool_keeps_nothing_any_more(lend: Any) -> None:
    """What is in use ends with its answer; what is idle ends at once."""
    gate = Gate()
    lender, upstream = lend(in_turn(gate.script, ANSWERS))
    used, idle = lender.ask(), lender.ask()
    list(idle)

    lender.pool.close()
    upstream.wait_until(lambda it: it.open_connections == 1)
    gate.opened.set()
    list(used)

    upstream.wait_until(lambda it: it.open_connections == 0)


def test_request_that_cannot_be_sent_takes_no_connection(lend: Any) -> None:
    """A defect in a head is found before anything is dialled."""
    lender, upstream = lend(ANSWERS)
    sending = Sending(Attempt(lender.endpoint), None, Moments())

    with pytest.raises(FailureError):
        lender.pool.urlopen("GET", "/", FieldLines([("A", "b\r\nC: d")], sending))

    assert upstream.connections == 0


def test_field_lines_look_like_a_mapping_to_the_library() -> None:
    """Names in any case find their lines, joined; the lines themselves stay as they are."""
    lines = FieldLines([("A", "1"), ("b", "2"), ("a", "3")])

    assert lines["a"] == lines["A"] == "1, 3"
    assert "B" in lines
    assert "c" not in lines
    assert len(lines) == len(list(lines)) == 2
