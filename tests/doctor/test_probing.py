"""What is measured of an answer: how it ends, what it holds, when its pieces came."""

import gzip

import pytest
from support.conditions import patience, wait_until
from support.scripted_upstream import Script, ScriptedUpstream, chunk, hang, read_request, reset

from gateway.doctor.facts import BROKEN, LEFT, NOTHING, WAITING, WHOLE
from gateway.doctor.probing import Asking, Place, ask, ask_twice, connect

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"


def place(upstream: ScriptedUpstream) -> Place:
    return Place("upstream", "127.0.0.1", upstream.port, "up.test")


@pytest.mark.parametrize(
    ("script", "ending", "body"),
    [
        ([read_request, CHUNKED, chunk(b"ab"), b"0\r\n\r\n"], WHOLE, b"ab"),
        ([read_request, CHUNKED, chunk(b"ab")], BROKEN, b"ab"),
        ([read_request, CHUNKED, chunk(b"ab"), 0.05, reset], BROKEN, b"ab"),
        ([read_request, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"], BROKEN, b"ab"),
        ([read_request, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"], WHOLE, b"ab"),
        ([read_request, b"HTTP/1.0 200 OK\r\n\r\nab"], WHOLE, b"ab"),
        ([read_request, CHUNKED, chunk(b"ab"), hang], WAITING, b"ab"),
        ([read_request], NOTHING, b""),
        ([read_request, hang], NOTHING, b""),
        ([read_request, b"no http\r\n\r\n"], NOTHING, b""),
        ([read_request, ZIPPED, chunk(gzip.compress(b"plain")), b"0\r\n\r\n"], WHOLE, b"plain"),
        ([read_request, ZIPPED, chunk(b"no gzip"), b"0\r\n\r\n"], BROKEN, b""),
    ],
)
def test_ending_of_an_answer_is_told(script: Script, ending: str, body: bytes) -> None:
    """Whole, cut, still open, or none: for every framing, and through gzip."""
    with ScriptedUpstream(script) as upstream:
        reach, answer = ask(place(upstream), Asking("/", patience_seconds=0.4))
    assert (reach.failed, answer.ending, answer.body) == ("", ending, body), answer
    assert bool(answer.why) is (ending not in (WHOLE, LEFT))


def test_pieces_have_their_times_and_the_request_its_fields() -> None:
    """A gap in the answer is a gap in the measurement; fields go as given, with the place's Host."""
    with ScriptedUpstream([read_request, CHUNKED, chunk(b"a"), 0.2, chunk(b"b"), b"0\r\n\r\n"]) as upstream:
        _, answer = ask(place(upstream), Asking("/x?y", fields=(("A", "1"), ("A", "2"))))
        (first, _), (second, _) = answer.pieces
        assert 0.15 < second - first < patience(2) and answer.head_seconds <= first
        request = upstream.requests[0]
        assert (request.target, request.all("a"), request.first("host")) == ("/x?y", ["1", "2"], "up.test")
        assert request.first("accept-encoding") is None


def test_asking_may_leave_early() -> None:
    """What was enough is kept, and the connection is closed at once."""
    with ScriptedUpstream([read_request, CHUNKED, chunk(b"enough"), hang]) as upstream:
        _, answer = ask(place(upstream), Asking("/", enough=lambda body: b"enough" in body))
        assert answer.ending == LEFT
        wait_until(lambda: upstream.open_connections == 0, 2, "the connection's end")


def test_second_answer_comes_only_where_the_first_leaves_the_connection() -> None:
    """Connection: close is respected."""
    kept = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    with ScriptedUpstream([read_request, kept, read_request, kept]) as upstream:
        assert [answer is not None for answer in ask_twice(place(upstream), Asking("/"))[1:]] == [True, True]
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na"
    with ScriptedUpstream([read_request, closing]) as upstream:
        assert ask_twice(place(upstream), Asking("/"))[2] is None


def test_steps_of_the_way_that_fail_are_named() -> None:
    """A name, a port and a socket that are not there."""
    assert connect(Place("x", "nowhere.invalid", 80))[1].failed == "lookup"
    with ScriptedUpstream(b"") as upstream:
        port = upstream.port
    assert connect(Place("x", "127.0.0.1", port))[1].failed == "connect"
    assert connect(Place("x", "/nowhere/at.all", unix=True))[1].failed == "connect"
