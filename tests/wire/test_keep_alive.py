"""Connections that serve more than one request: on the client's side, and on the upstream's with its idle-close race.

Sources: RFC 9112 sections 9.3 (persistence), 9.3.1 (retries), 9.3.2 (pipelining), 9.6 (close); RFC 9110 section 9.2.2.
"""

import threading
from collections.abc import Iterator

import pytest
from support.conditions import wait_until
from support.rig import DATE, Rig, problem_code, request
from support.scripted_upstream import Script, chunk, close, hang, read_head, read_request, reset, response

_OK = response(b"ok", DATE)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


def test_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    """Bodies and all, each with its own answer (RFC 9112 section 9.3.2)."""
    rig.answers(lambda c: c.send(response(f"{c.request.target} {c.request.body!r}".encode(), DATE)))
    octets = (
        request("GET /1 HTTP/1.1")
        + request("POST /2 HTTP/1.1", "Content-Length: 5", body=b"hello")
        + request("POST /3 HTTP/1.1", "Transfer-Encoding: chunked", body=chunk(b"wor") + chunk(b"ld") + chunk(b""))
        + request("HEAD /4 HTTP/1.1")
        + request("GET /5 HTTP/1.1", "Connection: close")
        + request("GET /6 HTTP/1.1")
    )
    with rig.client() as client:
        client.send(octets)
        bodies = [client.read_response(method="HEAD" if n == 4 else "GET").body for n in range(1, 6)]
        assert client.wait_closed() == "eof"
    assert bodies == [b"/1 b''", b"/2 b'hello'", b"/3 b'world'", b"", b"/5 b''"]
    assert [seen.target for seen in rig.seen] == ["/1", "/2", "/3", "/4", "/5"]


def test_pipelined_requests_in_odd_pieces_are_answered_in_order(rig: Rig) -> None:
    """Where packets end means nothing."""
    rig.answers()
    octets = request("POST /1 HTTP/1.1", "Content-Length: 5", body=b"hello") + request("GET /2 HTTP/1.1")
    with rig.client() as client:
        for start in range(0, len(octets), 11):
            client.send(octets[start : start + 11])
        assert [client.read_response().body for _ in range(2)] == [b"ok", b"ok"]
    assert [seen.body for seen in rig.seen] == [b"hello", b""]


CLOSING = {
    "close": (request("GET /a HTTP/1.1", "Connection: close"), None),
    "close in capitals": (request("GET /a HTTP/1.1", "connection: CLOSE"), None),
    "close among others": (request("GET /a HTTP/1.1", "Connection: X-A, ,close"), None),
    "close in a second line": (request("GET /a HTTP/1.1", "Connection: keep-alive", "Connection: close"), None),
    "HTTP/1.0": (request("GET /a HTTP/1.0"), None),
    "HTTP/1.0 that asks to stay": (request("GET /a HTTP/1.0", "Connection: Keep-Alive"), "keep-alive"),
}


@pytest.mark.parametrize(("octets", "stays"), CLOSING.values(), ids=CLOSING.keys())
def test_close_is_honoured_and_announced(rig: Rig, octets: bytes, stays: str | None) -> None:
    """The client knows before the connection ends (RFC 9112 sections 9.3, 9.6)."""
    rig.answers()
    with rig.client() as client:
        answer = client.send(octets).read_response()
        assert (answer.body, answer.all("connection")) == (b"ok", [stays or "close"])
        if stays:
            assert client.send(octets).read_response().body == b"ok"
        else:
            assert client.wait_closed() == "eof"


def test_connection_to_the_upstream_serves_many_clients(rig: Rig) -> None:
    """It is reused when its answer has ended."""
    rig.answers()
    for _ in range(5):
        assert rig.ask(request("GET /a HTTP/1.1", "Connection: close")).body == b"ok"
    assert len({seen.connection for seen in rig.seen}) == 1


ENDING: dict[str, Script] = {
    "Connection: close": [read_request, response(b"ok", DATE, "Connection: close"), hang],
    "HTTP/1.0": [read_request, _OK.replace(b"HTTP/1.1", b"HTTP/1.0"), hang],
}


@pytest.mark.parametrize("script", ENDING.values(), ids=ENDING.keys())
def test_connection_that_the_upstream_ends_is_not_used_again(rig: Rig, script: Script) -> None:
    """Its word counts, even if it does not close (RFC 9112 section 9.6)."""
    rig.plays(script)
    for _ in range(2):
        assert rig.ask(request("GET /a HTTP/1.1")).body == b"ok"
    assert len({seen.connection for seen in rig.seen}) == 2


def stale(end: Script) -> Script:
    """Serve one request, read a second one, and end without an answer: the race of an idle close, every time."""
    return [read_request, _OK, read_head, end]


@pytest.mark.parametrize("end", [close, reset], ids=["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND"])
def test_idle_close_race_is_repaired_for_idempotent_requests(rig: Rig, method: str, end: Script) -> None:
    """F12: once, on a fresh connection, unseen by the client; the line tells of both attempts (RFC 9112 9.3.1)."""
    rig.plays(stale(end), [read_request, response(b"again" if method != "HEAD" else b"", DATE)])
    assert rig.ask(request("GET /first HTTP/1.1")).body == b"ok"
    answer = rig.ask(request(f"{method} /again HTTP/1.1"), method=method)
    assert (answer.status, answer.body) == (200, b"again" if method != "HEAD" else b"")
    assert [(seen.method, seen.target) for seen in rig.seen[1:]] == [(method, "/again")] * 2
    line = rig.gateway.wait_for_line(lambda line: line["id"] == rig.seen[-1].first("x-request-id"))
    assert (line["attempts"], line["outcome"], line["failure"]) == (2, "complete", None)


@pytest.mark.parametrize("end", [close, reset], ids=["close", "reset"])
@pytest.mark.parametrize(
    "octets",
    [
        request("POST /once HTTP/1.1"),
        request("POST /once HTTP/1.1", "Content-Length: 2", body=b"hi"),
        request("PATCH /once HTTP/1.1"),
        request("FROB /once HTTP/1.1"),
        request("get /once HTTP/1.1"),
        request("PUT /once HTTP/1.1", "Content-Length: 2", body=b"hi"),
    ],
    ids=["POST", "POST with a body", "PATCH", "an unknown method", "get", "PUT with a body that is gone"],
)
def test_idle_close_race_is_told_where_sending_twice_could_do_harm(rig: Rig, octets: bytes, end: Script) -> None:
    """F12: 502, and it was sent exactly once (RFC 9110 section 9.2.2)."""
    rig.plays(stale(end), [read_request, _OK])
    assert rig.ask(request("GET /first HTTP/1.1")).body == b"ok"
    answer = rig.ask(octets)
    assert answer.status == 502
    assert problem_code(answer) in ("head_missing", "send_failed")
    assert [seen.target for seen in rig.seen] == ["/first", "/once"]


def test_race_is_repaired_on_a_connection_that_cannot_be_stale_too(rig: Rig) -> None:
    """The second attempt does not take another idle connection, which may have died at the same moment."""
    together = threading.Barrier(3)
    idle: Script = [read_request, lambda _: together.wait(5), _OK, read_head, close]
    rig.plays(idle, idle, idle, [read_request, _OK])
    clients = [rig.client() for _ in range(3)]
    for client in clients:
        client.get("/first")
    for client in clients:
        assert client.read_response().body == b"ok"
        client.leave()
    assert rig.ask(request("GET /again HTTP/1.1")).body == b"ok"
    assert [seen.target for seen in rig.seen] == ["/first"] * 3 + ["/again"] * 2


def test_answer_that_began_is_never_asked_for_again(rig: Rig) -> None:
    """A reused connection that breaks inside an answer is no idle close (RFC 9112 section 9.3.1)."""
    rig.plays([read_request, _OK, read_head, b"HTTP/1.1 20", close], [read_request, _OK])
    assert rig.ask(request("GET /first HTTP/1.1")).body == b"ok"
    answer = rig.ask(request("GET /again HTTP/1.1"))
    assert (answer.status, problem_code(answer)) == (502, "head_missing")
    assert len(rig.seen) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_fresh_connection_that_ends_without_an_answer_is_not_repaired(rig: Rig, method: str) -> None:
    """No retry behind the user's back: that is the upstream's word, not a race (RFC 9110 section 9.2.2)."""
    rig.plays([read_request, close], [read_request, _OK])
    answer = rig.ask(request(f"{method} /a HTTP/1.1"))
    assert (answer.status, problem_code(answer)) == (502, "head_missing")
    assert len(rig.seen) == 1


def test_connection_that_the_upstream_closed_while_idle_is_not_used(rig: Rig) -> None:
    """A close that was seen in time costs no attempt, not even for POST."""
    rig.plays([read_request, _OK, close])
    for method in ("GET", "POST", "POST"):
        assert rig.ask(request(f"{method} /closed HTTP/1.1", "Content-Length: 2", body=b"hi")).body == b"ok"
        wait_until(lambda: rig.gateway.open_upstream_connections(rig.upstream.port) == 0, what="the close to be seen")
    lines = [line for line in rig.gateway.log_lines() if line["target"] == "/closed"]
    assert [line["attempts"] for line in lines] == [1, 1, 1]
