"""The rude client can tell a whole response from a broken one, for every framing: all wire tests stand on this."""

import pytest
from support.framing import InvalidFraming, PeerClosed
from support.rude_client import RawResponse, RudeClient
from support.scripted_upstream import Script, ScriptedUpstream, chunk, close, read_request, reset

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BY_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"


def answer_to(script: Script, method: str = "GET") -> RawResponse:
    """Let a client ask an upstream that follows ``script``."""
    with ScriptedUpstream(script) as upstream, RudeClient(upstream.address) as client:
        return client.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode()).read_response(method=method)


@pytest.mark.parametrize(
    ("octets", "end", "body", "complete", "ending"),
    [
        (LENGTH + b"0123456789", close, b"0123456789", True, "complete"),
        (LENGTH + b"01234", close, b"01234", False, "eof"),
        (LENGTH + b"01234", reset, b"01234", False, "reset"),
        (CHUNKED + chunk(b"01234") + chunk(b""), close, b"01234", True, "complete"),
        (CHUNKED + chunk(b"01234"), close, b"01234", False, "eof"),
        (CHUNKED + b"a\r\n01234", close, b"01234", False, "eof"),
        (CHUNKED + chunk(b"01234") + b"0\r\n", close, b"01234", False, "eof"),
        (CHUNKED + chunk(b"01234"), reset, b"01234", False, "reset"),
        (CHUNKED + b"0x5\r\n01234\r\n0\r\n\r\n", close, b"", False, "invalid"),
        (CHUNKED + b"5\r\n01234\n0\r\n\r\n", close, b"01234", False, "invalid"),
        (CHUNKED + b"5\r\n01234567\r\n0\r\n\r\n", close, b"01234", False, "invalid"),
        (CHUNKED + b"5\r\n01234xx0\r\n\r\n", close, b"01234", False, "invalid"),
        (BY_CLOSE + b"01234", close, b"01234", True, "eof"),
        (BY_CLOSE + b"01234", reset, b"01234", False, "reset"),
    ],
)
def test_body_that_ends_is_judged_by_its_framing(
    octets: bytes, end: Script, body: bytes, complete: bool, ending: str
) -> None:
    """A body is complete exactly where its framing says so, and the way it ended is told."""
    response = answer_to([read_request, octets, 0.05, end])
    assert (response.body, response.complete, response.ending) == (body, complete, ending)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
    ],
)
def test_framing_that_two_readers_could_take_differently_is_invalid(fields: bytes) -> None:
    """A response with ambiguous framing is not accepted."""
    assert answer_to([read_request, b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n01234"]).ending == "invalid"


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", b"HTTP/1.1 2OO OK\r\n\r\n", b"ICY 200 OK\r\n\r\n"]
)
def test_head_that_is_not_http_is_invalid(head: bytes) -> None:
    """A broken head is an error, not a response."""
    with pytest.raises(InvalidFraming):
        answer_to([read_request, head])


@pytest.mark.parametrize(("end", "ending"), [(close, "eof"), (reset, "reset")])
def test_connection_that_ends_within_the_head_is_told(end: Script, ending: str) -> None:
    """Without a whole head there is no response."""
    with pytest.raises(PeerClosed) as caught:
        answer_to([read_request, b"HTTP/1.1 200", 0.05, end])
    assert caught.value.ending == ending


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_response_without_a_body_is_complete_at_its_head(method: str, status: int) -> None:
    """Answers to HEAD, 204 and 304 have no body, whatever Content-Length says (RFC 9112 section 6.3)."""
    octets = f"HTTP/1.1 {status} X\r\nContent-Length: 10\r\n\r\n".encode()
    response = answer_to([read_request, octets], method)
    assert (response.status, response.complete, response.body) == (status, True, b"")


def test_interim_responses_come_before_the_final_one() -> None:
    """1xx are kept apart, in order."""
    octets = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + LENGTH + b"0123456789"
    response = answer_to([read_request, octets])
    assert [head.first_line for head in response.interim] == ["HTTP/1.1 100 Continue", "HTTP/1.1 103 Early Hints"]
    assert (response.status, response.complete) == (200, True)


def test_fields_and_trailers_are_kept_as_they_came() -> None:
    """Order, case, repetition and octets above 127 stay; trailers are told apart."""
    head = b"HTTP/1.1 299 So-So\r\nx-A: 1\r\nX-a: \xe9\r\nX-Empty:\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = answer_to([read_request, head + b"0\r\nX-Sum: 7\r\n\r\n"])
    assert response.reason == "So-So"
    assert response.fields[:3] == [("x-A", "1"), ("X-a", "\xe9"), ("X-Empty", "")]
    assert response.trailers == [("X-Sum", "7")]


def test_pieces_carry_the_time_they_came() -> None:
    """The arrival times show the pace of the server."""
    response = answer_to([read_request, LENGTH, 0.3, b"01234", 0.3, b"56789"])
    (first, early), (second, late) = response.pieces
    assert (early, late) == (b"01234", b"56789")
    assert response.head_seconds < 0.2 < first < 0.5 < second < 1.5


def test_second_response_on_a_connection_is_read_from_its_start() -> None:
    """Octets that came behind one response belong to the next."""
    both = LENGTH + b"0123456789" + CHUNKED + chunk(b"second") + chunk(b"")
    with ScriptedUpstream([read_request, both]) as upstream, RudeClient(upstream.address) as client:
        client.get("/")
        assert [client.read_response().body, client.read_response().body] == [b"0123456789", b"second"]
