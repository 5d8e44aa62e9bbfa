"""How the end of a request's body is known, and what becomes of requests where that is in doubt.

Sources: RFC 9112 sections 6.1 (Transfer-Encoding), 6.2 (Content-Length), 6.3 (length), 7.1 (chunked), 8 (incomplete).
"""

from collections.abc import Iterator

import pytest
from support.rig import Rig, problem_code, request
from support.scripted_upstream import chunk, hang, read_head, response

_NEXT = request("GET /smuggled HTTP/1.1")
_CHUNKED = "Transfer-Encoding: chunked"
_BAD, _UNSUPPORTED = (400, "bad_request"), (501, "coding_unsupported")

AMBIGUOUS = {
    "both framings": ["Content-Length: 5", _CHUNKED],
    "both framings, the other way round": [_CHUNKED, "Content-Length: 5"],
    "both framings, no length": ["Content-Length: 0", _CHUNKED],
    "lengths that differ": ["Content-Length: 5", "Content-Length: 6"],
    "the same length twice": ["Content-Length: 5", "Content-Length: 5"],
    "a list of lengths": ["Content-Length: 5, 5"],
    "a signed length": ["Content-Length: +5"],
    "a negative length": ["Content-Length: -5"],
    "an empty length": ["Content-Length:"],
    "a hexadecimal length": ["Content-Length: 0x5"],
    "a length with an underscore": ["Content-Length: 5_0"],
    "a length with a fraction": ["Content-Length: 5.0"],
    "a length with a space": ["Content-Length: 5 5"],
    "a length of other digits": ["Content-Length: \xb2"],
    "a length beyond all measure": [f"Content-Length: {'9' * 5000}"],
    "a length in quotes": ['Content-Length: "5"'],
    "an empty coding": ["Transfer-Encoding:"],
    "chunked twice": [_CHUNKED, _CHUNKED],
    "chunked twice in a list": ["Transfer-Encoding: chunked, chunked"],
    "chunked not last": ["Transfer-Encoding: chunked, gzip"],
    "chunked not last, in two lines": [_CHUNKED, "Transfer-Encoding: gzip"],
    "chunked and identity": ["Transfer-Encoding: chunked, identity"],
    "identity and chunked": ["Transfer-Encoding: identity, chunked"],
    "identity": ["Transfer-Encoding: identity"],
    "identity and a length": ["Transfer-Encoding: identity", "Content-Length: 5"],
    "only gzip": ["Transfer-Encoding: gzip"],
    "gzip below chunked, which we would not pass on": ["Transfer-Encoding: gzip, chunked"],
    "gzip below chunked, in two lines": ["Transfer-Encoding: gzip", _CHUNKED],
    "an unknown coding": ["Transfer-Encoding: xchunked"],
    "a mangled coding": ["Transfer-Encoding: chunkedx"],
    "a coding in quotes": ['Transfer-Encoding: "chunked"'],
    "a coding with a parameter": ["Transfer-Encoding: chunked;q=1"],
    "an empty member": ["Transfer-Encoding: ,chunked"],
    "an empty member at the end": ["Transfer-Encoding: chunked,"],
    "a vertical tab before the coding": ["Transfer-Encoding: \vchunked"],
    "a coding with a no-break space": ["Transfer-Encoding: \xa0chunked"],
}
BAD_CHUNKS = {
    "a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "a letter": b"5g\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "only an extension": b";a=b\r\nhello\r\n0\r\n\r\n",
    "a space before": b" 5\r\nhello\r\n0\r\n\r\n",
    "a space behind": b"5 \r\nhello\r\n0\r\n\r\n",
    "a size too large for any counter": b"1" + b"0" * 16 + b"\r\nhello\r\n0\r\n\r\n",
    "too many zeros": b"0" * 64 + b"5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a line feed alone behind the size": b"5\nhello\r\n0\r\n\r\n",
    "a carriage return alone behind the size": b"5\rhello\r\n0\r\n\r\n",
    "a carriage return twice": b"5\r\r\nhello\r\n0\r\n\r\n",
    "a line feed in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "a carriage return in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "a NUL in an extension": b"5;a\0b\r\nhello\r\n0\r\n\r\n",
    "an extension without bound": b"5;" + b"a" * 20_000 + b"\r\nhello\r\n0\r\n\r\n",
    "no line end behind the data": b"5\r\nhello0\r\n\r\n",
    "a line feed alone behind the data": b"5\r\nhello\n0\r\n\r\n",
    "two other octets behind the data": b"5\r\nhelloXX0\r\n\r\n",
    "more data than announced": b"5\r\nhello!!\r\n0\r\n\r\n",
    "less data than announced": b"6\r\nhello\r\n0\r\n\r\n",
    "a line feed alone at the end": b"5\r\nhello\r\n0\n\n",
    "a trailer without colon": b"5\r\nhello\r\n0\r\nX-Trailer\r\n\r\n",
    "a trailer with a space before the colon": b"5\r\nhello\r\n0\r\nX-Trailer : 1\r\n\r\n",
    "a folded trailer": b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n 2\r\n\r\n",
    "a trailer that looks like a request": b"5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n",
    "trailers without bound": b"5\r\nhello\r\n0\r\n" + b"X-Trailer: aaaaaaaaaaaaaaaaaaaaa\r\n" * 4000 + b"\r\n",
}
ODD_TRAILERS = {
    "a field": b"X-Trailer: 1\r\n",
    "framing": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "routing": b"Host: evil\r\nX-Forwarded-For: 192.0.2.1\r\n",
    "a name and nothing": b"X-Trailer:\r\n",
    "octets beyond ASCII": b"X-Trailer: \xe9\r\n",
}
CUT = {
    "a known length": (["Content-Length: 100"], b"only half"),
    "a known length, nothing sent": (["Content-Length: 100"], b""),
    "in front of a chunk": ([_CHUNKED], chunk(b"hello")),
    "inside a chunk": ([_CHUNKED], b"9\r\nhello"),
    "inside a size": ([_CHUNKED], chunk(b"hello") + b"1"),
    "behind the last chunk's line": ([_CHUNKED], chunk(b"hello") + b"0\r\n"),
    "inside the trailers": ([_CHUNKED], chunk(b"hello") + b"0\r\nX-Trailer: 1\r\n"),
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_ambiguous_framing_is_refused(rig: Rig, lines: list[str]) -> None:
    """One 400 or 501, the connection ends, nothing goes up: neither the request nor what hides behind it."""
    rig.answers()
    with rig.client() as client:
        answer = client.send(request("POST /a HTTP/1.1", *lines) + chunk(b"") + _NEXT).read_response()
        assert (answer.status, problem_code(answer)) in (_BAD, _UNSUPPORTED)
        assert answer.all("connection") == ["close"]
        assert client.arrivals(5.0) == []
        assert client.wait_closed() == "eof"
    rig.assert_untouched()


def test_transfer_encoding_in_http_1_0_is_refused(rig: Rig) -> None:
    """Its sender knows nothing of chunks, so that somebody on the way put it there (RFC 9112 section 6.1)."""
    rig.answers()
    with rig.client() as client:
        answer = client.send(request("POST /a HTTP/1.0", _CHUNKED, "Connection: keep-alive") + _NEXT).read_response()
        assert (answer.status, problem_code(answer)) == _BAD
        assert (client.arrivals(5.0), client.wait_closed()) == ([], "eof")
    rig.assert_untouched()


@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_broken_chunk_never_becomes_a_complete_request(rig: Rig, body: bytes) -> None:
    """The client gets one 400 and the connection ends; if the head went up already, its body is cut visibly."""
    rig.answers()
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", _CHUNKED, body=body) + _NEXT)
        answer = client.read_response()
        assert (answer.status, problem_code(answer)) == _BAD
        assert answer.all("connection") == ["close"]
        assert client.arrivals(5.0) == []
    rig.settle()
    assert [seen.target for seen in rig.seen if seen.target != "/a" or seen.body_complete] == []


@pytest.mark.parametrize("ending", ["leave", "half_close", "reset"])
@pytest.mark.parametrize(("lines", "body"), CUT.values(), ids=CUT.keys())
def test_upload_cut_short_is_never_complete_upstream(rig: Rig, lines: list[str], body: bytes, ending: str) -> None:
    """The upstream sees its connection end before the body does, however the client's ended (RFC 9112 section 8)."""
    rig.answers()
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", *lines, body=body))
        rig.upstream.wait_until(lambda _: rig.seen, what="the head")
        getattr(client, ending)()
        rig.upstream.wait_until(lambda upstream: upstream.open_connections == 0, timeout=2.0)
        if ending == "half_close":
            client.wait_closed()
    rig.settle()
    assert [(seen.target, seen.body_complete) for seen in rig.seen] == [("/a", False)]


def test_upload_cut_by_half_close_is_answered_with_400_or_nothing(rig: Rig) -> None:
    """A client that still reads never hears of success."""
    rig.answers()
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", "Content-Length: 100", body=b"half")).half_close()
        pieces = b"".join(piece for _, piece in client.arrivals(3.0))
    assert pieces == b"" or pieces.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("split", [1, 2, 3, 7, 1000])
def test_chunked_upload_is_framed_anew_and_its_content_kept(rig: Rig, split: int) -> None:
    """Extensions and trailers end here, trailers never become fields, whatever pieces it comes in (RFC 9112 7.1)."""
    rig.answers()
    body = b'5;a="b;c";d\r\nhello\r\n00B \t; x\r\n, chunked w\r\n4\r\norld\r\n000\r\nX-Trailer: 1\r\nHost: evil\r\n\r\n'
    octets = request("POST /a HTTP/1.1", _CHUNKED, "Trailer: X-Trailer", body=body) + request("GET /b HTTP/1.1")
    with rig.client() as client:
        for start in range(0, len(octets), split):
            client.send(octets[start : start + split])
        assert [client.read_response().status for _ in range(2)] == [200, 200]
    upload, after = rig.seen
    assert (upload.body, upload.body_complete, upload.trailers) == (b"hello, chunked world", True, [])
    assert rig.heads() == [
        b"POST /a HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /b HTTP/1.1\r\nHost: up\r\n\r\n",
    ]
    assert after.body == b""


@pytest.mark.parametrize("trailers", ODD_TRAILERS.values(), ids=ODD_TRAILERS.keys())
def test_trailers_are_dropped_whatever_they_say(rig: Rig, trailers: bytes) -> None:
    """What follows the last chunk is neither a field nor a request (RFC 9110 section 6.5.1)."""
    rig.answers()
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", _CHUNKED, body=chunk(b"hello") + b"0\r\n" + trailers + b"\r\n"))
        assert client.read_response().status == 200
        assert client.get("/b").read_response().status == 200
    assert rig.heads() == [
        b"POST /a HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /b HTTP/1.1\r\nHost: up\r\n\r\n",
    ]
    assert (rig.seen[0].body, rig.seen[0].trailers) == (b"hello", [])


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "CHUNKED"])
def test_coding_is_known_in_any_case(rig: Rig, coding: str) -> None:
    """Names of codings are case-insensitive (RFC 9112 section 7)."""
    rig.answers()
    octets = request("PUT /a HTTP/1.1", f"transfer-ENCODING: {coding}", body=chunk(b"x") + chunk(b""))
    assert rig.ask(octets).status == 200
    assert rig.heads() == [b"PUT /a HTTP/1.1\r\nHost: up\r\nTransfer-Encoding: chunked\r\n\r\n"]


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 300_000])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "QUERY"])
def test_known_length_stays_known(rig: Rig, method: str, size: int) -> None:
    """One Content-Length goes up, no coding, and every octet (RFC 9110 section 8.6)."""
    rig.answers()
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert rig.ask(request(f"{method} /a HTTP/1.1", f"Content-Length: {size}", body=body)).status == 200
    assert rig.heads() == [f"{method} /a HTTP/1.1\r\nHost: up\r\nContent-Length: {size}\r\n\r\n".encode()]
    assert rig.seen[0].body == body


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_body_of_a_method_that_has_none_goes_up_as_a_body(rig: Rig, method: str) -> None:
    """What looks like a request in it is never read as one, by nobody (RFC 9110 section 9.3.1)."""
    rig.answers(b"HTTP/1.1 204 No Content\r\n\r\n")
    octets = request(f"{method} /a HTTP/1.1", f"Content-Length: {len(_NEXT)}", body=_NEXT)
    with rig.client() as client:
        assert client.send(octets).read_response(method=method).status == 204
        assert client.get("/b").read_response().status == 204
    assert [(seen.target, seen.body) for seen in rig.seen] == [("/a", _NEXT), ("/b", b"")]


def test_empty_body_says_so_and_no_body_says_nothing(rig: Rig) -> None:
    """Content-Length: 0 stays, and is not invented (RFC 9110 section 8.6)."""
    rig.answers()
    for lines in (["Content-Length: 0"], []):
        for method in ("POST", "GET"):
            assert rig.ask(request(f"{method} /a HTTP/1.1", *lines)).status == 200
    assert rig.heads() == [
        b"POST /a HTTP/1.1\r\nHost: up\r\nContent-Length: 0\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: up\r\nContent-Length: 0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: up\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: up\r\n\r\n",
    ]


def test_connection_whose_upload_was_cut_is_never_used_again(rig: Rig) -> None:
    """The next exchange gets a connection of its own: half a request stands in the old one."""
    rig.plays([read_head, response(b"ok"), hang])
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", "Content-Length: 100", body=b"half"))
        assert client.read_response().status == 200
    assert rig.ask(request("GET /b HTTP/1.1")).status == 200
    assert [seen.connection for seen in rig.seen] == sorted({seen.connection for seen in rig.seen})
    assert len(rig.seen) == 2
