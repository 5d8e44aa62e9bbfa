"""What is broken on purpose is broken on the wire, and only that."""

from collections.abc import Callable

import pytest
from support import processes
from support.conditions import wait_until
from support.demo_process import DemoUpstream
from support.framing import PeerClosed
from support.rude_client import RawResponse, RudeClient

Ask = Callable[..., RawResponse]


@pytest.mark.parametrize(
    ("how", "octets", "ending"),
    [
        ("reset", 5000, "reset"),
        ("close", 5000, "eof"),
        ("inside-chunk", 5050, "eof"),
        ("broken-chunk", 5000, "invalid"),
        ("short-length", 5000, "eof"),
    ],
)
def test_cut_answer_looks_cut(ask: Ask, how: str, octets: int, ending: str) -> None:
    """The octets asked for arrive, then the message breaks in the way asked for."""
    response = ask(f"/cut?after=5000&how={how}&delay=50")
    assert (len(response.body), response.complete, response.ending) == (octets, False, ending)


@pytest.mark.parametrize("how", ["reset", "close", "short-length"])
def test_cut_after_nothing_still_sends_the_head(ask: Ask, how: str) -> None:
    """A body cut before its first octet has a head before it."""
    response = ask(f"/cut?after=0&how={how}&delay=50")
    assert (response.status, response.body, response.complete) == (200, b"", False)


def test_cut_without_a_head_is_no_answer(ask: Ask) -> None:
    """The connection ends before any octet."""
    with pytest.raises(PeerClosed):
        ask("/cut?how=no-head")


def test_cut_to_http_1_0_is_a_reset(ask: Ask) -> None:
    """A body that ends with its connection can be cut visibly only by RST."""
    response = ask("/cut?how=reset&delay=50", version="HTTP/1.0")
    assert (response.complete, response.ending) == (False, "reset")


def test_stalled_answer_is_silent_as_long_as_asked_and_then_ends(ask: Ask) -> None:
    """Chunks, a silence of a second, the other chunks."""
    response = ask("/stall?after=2&s=1&n=4&pace=0")
    times = [seconds for seconds, _ in response.pieces]
    assert times[1] < 0.5
    assert 0.99 <= times[2] < 1.5
    assert (response.complete, len(times)) == (True, 4)


def test_stall_before_the_first_chunk_comes_after_the_head(ask: Ask) -> None:
    """``after=0`` is a head and then silence."""
    response = ask("/stall?after=0&s=1&n=1")
    assert response.head_seconds < 0.5
    assert response.pieces[0][0] >= 0.99


@pytest.mark.parametrize("target", ["/stall?after=0&s=600", "/delay/600000", "/sse?pace=600000"])
def test_client_that_leaves_a_silent_answer_is_noticed(demo_upstream: DemoUpstream, target: str) -> None:
    """The connection is given back at once, however long the silence was to be."""
    with RudeClient(demo_upstream.address) as client:
        port = client.get(target).socket.getsockname()[1]

        def held() -> int:
            return processes.held_connections(demo_upstream.pid, remote_port=port)

        wait_until(held, what="the connection to be taken")
        client.arrivals(0.2)
    wait_until(lambda: not held(), 1, "the connection to be given back")


def test_delay_comes_before_the_head(ask: Ask) -> None:
    """Nothing is sent until the time is over."""
    response = ask("/delay/300")
    assert (response.body, response.head_seconds >= 0.29) == (b"answered after 300 ms\n", True)


@pytest.mark.parametrize(
    ("code", "reason", "name", "value"),
    [
        (200, "OK", None, None),
        (204, "No Content", None, None),
        (205, "Reset Content", None, None),
        (299, "Unnamed", None, None),
        (302, "Found", "location", "/status/200"),
        (304, "Not Modified", None, None),
        (404, "Not Found", None, None),
        (429, "Too Many Requests", "retry-after", "1"),
        (503, "Service Unavailable", "retry-after", "1"),
        (599, "Unnamed", None, None),
    ],
)
def test_status_is_the_one_asked_for(
    client: RudeClient, code: int, reason: str, name: str | None, value: str | None
) -> None:
    """Any final status comes with a complete message, and the connection stays usable."""
    response = client.get(f"/status/{code}").read_response()
    assert (response.status, response.reason, response.complete) == (code, reason, True)
    assert name is None or response.first(name) == value
    assert client.get("/status/200").read_response().status == 200
