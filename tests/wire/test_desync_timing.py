"""Desync by time: who pauses, answers early or says more, later (pause-based desync, response queue poisoning).

Sources: RFC 9112 sections 6.3 and 9.3, RFC 9110 section 10.1.1.
"""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from support.framing import PeerClosed
from support.rig import Rig, request
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import chunk, for_each_request, read_head, response

_SMUGGLED = request("GET /smuggled HTTP/1.1", host="evil.test")
_GOOD = for_each_request(response(b"good"))


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


class Rest:
    """A step that keeps what still comes on a connection until it ends."""

    def __init__(self) -> None:
        self.octets = b""
        self.ended = threading.Event()

    def __call__(self, connection: ScriptedConnection) -> None:
        try:
            while True:
                self.octets += connection.read_some()
        except PeerClosed:
            self.ended.set()


FRAMINGS = {
    "a length": (["Content-Length: 200"], _SMUGGLED),
    "chunks": (["Transfer-Encoding: chunked"], b"\r\n0\r\n\r\n" + _SMUGGLED),
}


@pytest.mark.parametrize("status", ["200 OK", "408 Request Timeout", "404 Not Found", "301 Moved Permanently"])
@pytest.mark.parametrize(("lines", "tail"), FRAMINGS.values(), ids=FRAMINGS.keys())
def test_body_behind_an_early_answer_never_becomes_a_request(
    rig: Rig, lines: list[str], tail: bytes, status: str
) -> None:
    """An upstream that answered without reading the body, and keeps the connection, gets nothing more on it: what the
    client held back would be its next request."""
    rest = Rest()
    rig.plays([read_head, response(b"early", status=status), rest], _GOOD)
    with rig.client() as client:
        client.send(request("POST /first HTTP/1.1", *lines))
        answer = client.read_response()
        assert (answer.status, answer.body) == (int(status[:3]), b"early")
        assert answer.all("connection") == ["close"]
        with suppress(ConnectionError):  # It may be closed already.
            client.send(tail)
        assert client.arrivals(5.0) == []
    assert rig.ask(request("GET /other HTTP/1.1")).body == b"good"
    assert rest.ended.wait(5.0)
    assert rest.octets == b""


def test_final_answer_instead_of_100_leaves_no_body_to_be_read(rig: Rig) -> None:
    """The client sends its body although it was refused: neither we nor the upstream take it for a request."""
    rest = Rest()
    rig.plays([read_head, response(b"no", status="403 Forbidden"), rest], _GOOD)
    with rig.client() as client:
        client.send(request("POST /first HTTP/1.1", "Expect: 100-continue", f"Content-Length: {len(_SMUGGLED)}"))
        answer = client.read_response()
        assert (answer.status, answer.interim, answer.all("connection")) == (403, [], ["close"])
        with suppress(ConnectionError):  # It may be closed already.
            client.send(_SMUGGLED)
        assert client.arrivals(5.0) == []
    assert rig.ask(request("GET /other HTTP/1.1")).body == b"good"
    assert rest.ended.wait(5.0)
    assert rest.octets == b""


def test_pause_inside_the_body_changes_nothing(rig: Rig) -> None:
    """What comes after a pause is still the body."""
    rig.plays(_GOOD)
    with rig.client() as client:
        client.send(request("POST /first HTTP/1.1", f"Content-Length: {len(_SMUGGLED)}"))
        rig.upstream.wait_until(lambda _: rig.seen, what="the head")
        assert client.send(_SMUGGLED).read_response().status == 200
        assert client.get("/next").read_response().status == 200
    assert [(seen.target, seen.body) for seen in rig.seen] == [("/first", _SMUGGLED), ("/next", b"")]


@pytest.mark.parametrize("keeps", [True, False], ids=["keep-alive", "close"])
def test_connection_is_not_used_again_where_chunks_were_answered_in_http_1_0(rig: Rig, keeps: bool) -> None:
    """HTTP/1.0 knows no chunks: the upstream may take them for its next request (TE.0)."""
    kept = b"Connection: keep-alive\r\n" if keeps else b""
    answer = b"HTTP/1.0 200 OK\r\n" + kept + b"Content-Length: 2\r\n\r\nok"
    rest = Rest()
    rig.plays([ScriptedConnection.read_request, answer, rest], _GOOD)
    body = chunk(_SMUGGLED) + chunk(b"")
    assert rig.ask(request("POST /first HTTP/1.1", "Transfer-Encoding: chunked", body=body)).body == b"ok"
    assert rig.ask(request("GET /other HTTP/1.1")).body == b"good"
    assert rest.ended.wait(5.0)
    assert rest.octets == b""


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_answers_to_what_hid_in_a_body_reach_nobody(rig: Rig, method: str) -> None:
    """An upstream that takes a body for its next request (CL.0) answers twice; the second answer is nobody's."""
    said = threading.Event()
    two = response(b"first") + response(b"stolen")
    rig.plays([ScriptedConnection.read_request, two, lambda _: said.set(), Rest()], _GOOD)
    octets = request(f"{method} /first HTTP/1.1", f"Content-Length: {len(_SMUGGLED)}", body=_SMUGGLED)
    with rig.client() as client:
        assert client.send(octets).read_response().body == b"first"
        assert said.wait(5.0)
        assert client.get("/next").read_response().body == b"good"
    assert rig.ask(request("GET /other HTTP/1.1")).body == b"good"
