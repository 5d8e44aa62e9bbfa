"""How the end of a response's body is known: by exactly one framing, whoever asks and however the upstream says it.

Sources: RFC 9112 sections 6.1, 6.2, 6.3, 7.1; RFC 9110 sections 8.6, 9.3.2 (HEAD), 15.2 to 15.4 (no content).
"""

from collections.abc import Iterator

import pytest
from support.rig import DATE, Rig, request, without_id
from support.scripted_upstream import Script, chunk, close, read_request, response

_OK = b"HTTP/1.1 200 OK\r\n" + DATE.encode() + b"\r\n"
_OLD = b"HTTP/1.0 200 OK\r\n" + DATE.encode() + b"\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

FRAMINGS: dict[str, Script] = {
    "length": _OK + b"Content-Length: 11\r\n\r\nhello world",
    "the same length twice": _OK + b"Content-Length: 11\r\nContent-Length: 11\r\n\r\nhello world",
    "chunked": _OK + _CHUNKED + chunk(b"hello") + chunk(b" world") + chunk(b""),
    "chunked in capitals": _OK + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n" + chunk(b"hello world") + chunk(b""),
    "chunked with extensions": _OK + _CHUNKED + b'5;a="b";c\r\nhello\r\n006 ; x\r\n world\r\n00;y\r\n\r\n',
    "chunked with trailers": _OK + _CHUNKED + chunk(b"hello world") + b"0\r\nX-Trailer: 1\r\nSet-Cookie: a=1\r\n\r\n",
    "chunked and a length": _OK + b"Content-Length: 5\r\n" + _CHUNKED + chunk(b"hello world") + chunk(b""),
    "one octet a chunk": _OK + _CHUNKED + b"".join(map(chunk, map(bytes, zip(b"hello world")))) + chunk(b""),
    "chunked, an octet at a time": lambda c: c.drip(_OK + _CHUNKED + chunk(b"hello world") + chunk(b""), 1, 0.0),
    "close": [_OK + b"\r\nhello world", close],
    "close in HTTP/1.0": [_OLD + b"\r\nhello world", close],
    "close, announced": [_OK + b"Connection: close\r\n\r\nhello", 0.01, b" world", close],
    "length in HTTP/1.0": [_OLD + b"Content-Length: 11\r\n\r\nhello world", close],
    "length, then close": [_OK + b"Connection: close\r\nContent-Length: 11\r\n\r\nhello world", close],
}
KNOWN = {name for name in FRAMINGS if "length" in name and name != "chunked and a length"}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.mark.parametrize("name", FRAMINGS)
def test_body_comes_back_whole_in_exactly_one_framing(rig: Rig, name: str) -> None:
    """A known length stays known, all else is chunked, and the connection serves on; trailers end here."""
    rig.answers(FRAMINGS[name], response(b"next"))
    with rig.client() as client:
        answer = client.get("/a").read_response()
        assert (answer.body, answer.ending, answer.trailers) == (b"hello world", "complete", [])
        framing = [(field.lower(), value) for field, value in answer.fields if field.lower() in _FRAMING]
        assert framing == [("content-length", "11") if name in KNOWN else ("transfer-encoding", "chunked")]
        assert answer.all("connection") == answer.all("set-cookie") == []
        assert client.get("/b").read_response().status == 200


_FRAMING = ("content-length", "transfer-encoding")


@pytest.mark.parametrize("keep", [True, False], ids=["keep-alive", "close"])
@pytest.mark.parametrize("name", FRAMINGS)
def test_http_1_0_client_gets_no_chunks(rig: Rig, name: str, keep: bool) -> None:
    """It gets a length where one is known and stays if it asked to, else the end of the connection (RFC 9112 6.1)."""
    rig.answers(FRAMINGS[name])
    with rig.client() as client:
        client.send(request("GET /a HTTP/1.0", *(["Connection: keep-alive"] if keep else [])))
        answer = client.read_response()
        assert (answer.body, answer.complete, answer.all("transfer-encoding")) == (b"hello world", True, [])
        known = name in KNOWN
        assert answer.all("content-length") == (["11"] if known else [])
        assert answer.all("connection") == (["keep-alive"] if known and keep else ["close"])
        if not (known and keep):
            assert client.wait_closed() == "eof"


def test_framed_answers_stand_on_the_wire_exactly_so(rig: Rig) -> None:
    """Octet for octet: head, one chunk for each piece that came, last chunk."""
    said = [_OK + b"X-A: 1\r\n" + _CHUNKED + chunk(b"hello"), 0.05, chunk(b" world"), 0.05, chunk(b"")]
    rig.answers(said)
    head, end, body = rig.octets(request("GET /a HTTP/1.1", "Connection: close")).partition(b"\r\n\r\n")
    expected = _OK + b"X-A: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert without_id(head + end) == expected
    assert body == b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"


BODILESS = {
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
    "204 with a length": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", None),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n", None),
    "304 with a length": ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 1234\r\n\r\n', "1234"),
    "304 with a coding": ("GET", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", None),
    "HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", None),
    "HEAD with a length": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "1234"),
    "HEAD with a coding": ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
    "HEAD of an error": ("HEAD", b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n", "9"),
    "a length of zero": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "0"),
    "205": ("GET", b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", "0"),
}


@pytest.mark.parametrize(("method", "answer", "length"), BODILESS.values(), ids=BODILESS.keys())
def test_answer_without_body_leaves_both_connections_usable(
    rig: Rig, method: str, answer: bytes, length: str | None
) -> None:
    """Not one octet follows its head; a length that tells of another answer is relayed (F3, RFC 9110 section 8.6)."""
    rig.answers(answer, response(b"next"))
    with rig.client() as client:
        got = client.send(request(f"{method} /a HTTP/1.1")).read_response(method=method)
        assert (got.body, got.all("content-length")) == (b"", [] if length is None else [length])
        assert got.all("transfer-encoding") == got.all("connection") == []
        assert client.get("/b").read_response().body == b"next"
    assert [seen.connection for seen in rig.seen] == [rig.seen[0].connection] * 2


def test_head_goes_up_as_head_and_a_chunked_body_is_not_awaited(rig: Rig) -> None:
    """The upstream is asked what the client asked (RFC 9110 section 9.3.2)."""
    rig.answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    answer = rig.ask(request("HEAD /a HTTP/1.1"), method="HEAD")
    assert (answer.status, rig.seen[0].method) == (200, "HEAD")


def test_length_beside_a_coding_ends_the_upstream_connection(rig: Rig) -> None:
    """The coding wins, the length is dropped, and nothing else is read from there (RFC 9112 section 6.1)."""
    rig.answers(_OK + b"Content-Length: 5\r\n" + _CHUNKED + chunk(b"hello world") + chunk(b""), response(b"next"))
    for expected in (b"hello world", b"hello world"):
        assert rig.ask(request("GET /a HTTP/1.1")).body == expected
    assert [seen.connection for seen in rig.seen] == [rig.seen[0].connection, rig.seen[0].connection + 1]


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_003])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_large_bodies_are_byte_identical(rig: Rig, framing: str, version: str, size: int) -> None:
    """Any octets, any pieces."""
    body = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    pieces = [body[start : start + 10_007] for start in range(0, size, 10_007)]
    answers: dict[str, Script] = {
        "length": response(body, DATE),
        "chunked": _OK + _CHUNKED + b"".join(map(chunk, pieces)) + chunk(b""),
        "close": [_OK + b"\r\n" + body, close],
    }
    rig.answers(answers[framing])
    answer = rig.ask(request(f"GET /a HTTP/{version}"))
    assert answer.complete
    assert answer.body == body


def test_empty_close_delimited_body_is_complete(rig: Rig) -> None:
    """Nothing is a body, too."""
    rig.plays([read_request, _OK + b"\r\n", close])
    answer = rig.ask(request("GET /a HTTP/1.1"))
    assert (answer.body, answer.ending) == (b"", "complete")
