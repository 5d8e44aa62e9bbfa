"""Answers of an upstream that are malformed, ambiguous or cut: 502, or an end that no client takes for a clean one.

Sources: RFC 9112 sections 4 (status line), 5 (fields), 6 (framing), 7.1 (chunked), 8 (incomplete messages).
"""

import threading
from collections.abc import Iterator

import pytest
from support.rig import DATE, Rig, problem_code, request
from support.scripted_upstream import Script, chunk, close, hang, read_request, reset, response

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED_OK = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_TAIL = b"Content-Length: 2\r\n\r\nok"
_NEXT = response(b"evil")
"""What stands behind every bad answer: no client may ever see it."""

BAD_HEADS = {
    "nothing but garbage": b"hello there\r\n\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n" + _TAIL,
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n" + _TAIL,
    "HTTP/1.10": b"HTTP/1.10 200 OK\r\n" + _TAIL,
    "another protocol": b"ICY 200 OK\r\n" + _TAIL,
    "a version in lower case": b"http/1.1 200 OK\r\n" + _TAIL,
    "no status": b"HTTP/1.1\r\n" + _TAIL,
    "a status of two digits": b"HTTP/1.1 20 OK\r\n" + _TAIL,
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n" + _TAIL,
    "a status below 100": b"HTTP/1.1 099 OK\r\n" + _TAIL,
    "a status that is no number": b"HTTP/1.1 2xx OK\r\n" + _TAIL,
    "a signed status": b"HTTP/1.1 +200 OK\r\n" + _TAIL,
    "two spaces before the status": b"HTTP/1.1  200 OK\r\n" + _TAIL,
    "a space before the version": b" HTTP/1.1 200 OK\r\n" + _TAIL,
    "an empty line before the status line": b"\r\n" + _OK + _TAIL,
    "a control octet in the reason": b"HTTP/1.1 200 O\x00K\r\n" + _TAIL,
    "a carriage return in the reason": b"HTTP/1.1 200 O\rK\r\n" + _TAIL,
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "one line feed alone": _OK + b"X-Test: a\nContent-Length: 2\r\n\r\nok",
    "a carriage return alone": _OK + b"X-Test: a\rContent-Length: 2\r\n\r\nok",
    "a line without colon": _OK + b"X-Test\r\n" + _TAIL,
    "a space before the colon": _OK + b"X-Test : a\r\n" + _TAIL,
    "a space before the colon of framing": _OK + b"Content-Length : 9\r\n" + _TAIL,
    "an empty name": _OK + b": a\r\n" + _TAIL,
    "a name that is no token": _OK + b"X(Test): a\r\n" + _TAIL,
    "a folded line": _OK + b"X-Test: a\r\n b\r\n" + _TAIL,
    "a folded first line": _OK + b" X-Test: a\r\n" + _TAIL,
    "a folded framing field": _OK + b"Content-Length:\r\n 2\r\n\r\nok",
    "a NUL in a value": _OK + b"X-Test: a\0b\r\n" + _TAIL,
    "a control octet in a value": _OK + b"X-Test: a\x01b\r\n" + _TAIL,
    "lengths that differ": _OK + b"Content-Length: 3\r\n" + _TAIL,
    "a list of lengths that differ": _OK + b"Content-Length: 2, 3\r\n\r\nok",
    "a negative length": _OK + b"Content-Length: -2\r\n\r\nok",
    "a signed length": _OK + b"Content-Length: +2\r\n\r\nok",
    "a length that is no number": _OK + b"Content-Length: two\r\n\r\nok",
    "an empty length": _OK + b"Content-Length:\r\n\r\nok",
    "a length of other digits": _OK + b"Content-Length: \xb2\r\n\r\nok",
    "a length beyond all measure": _OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nok",
    "an unknown coding": _OK + b"Transfer-Encoding: squeezed\r\n\r\n" + chunk(b""),
    "chunked not last": _OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + chunk(b""),
    "chunked twice": _OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b""),
    "a mangled coding": _OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + chunk(b""),
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"ok") + chunk(b""),
    "protocols switched unasked": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "interim answers without end": b"HTTP/1.1 102 Processing\r\n\r\n" * 1000,
}
TOO_LARGE = {
    "one endless line": _OK + b"X-Test: " + b"a" * 200_000 + b"\r\n" + _TAIL,
    "fields without end": _OK + b"X-Test: a\r\n" * 5000 + _TAIL,
}
NO_HEAD: dict[str, Script] = {
    "a close before any octet": [read_request, close],
    "a reset before any octet": [read_request, reset],
    "a close inside the status line": [read_request, b"HTTP/1.1 20", close],
    "a close inside the fields": [read_request, _OK + b"Content-Length: 2\r\n", close],
    "a reset inside the fields": [read_request, _OK + b"Content-Le", 0.05, reset],
    "a close behind an interim answer": [read_request, b"HTTP/1.1 103 Early Hints\r\n\r\n", close],
}
BROKEN_CHUNKS = {
    "inside a chunk": b"9\r\nhello",
    "between two chunks": b"",
    "inside the line end of a chunk": b"5\r\nhello\r",
    "inside a size": b"5",
    "behind the last chunk's line": b"0\r\n",
    "inside the trailers": b"0\r\nX-Trailer: 1\r\n",
    "inside the last line end": b"0\r\n\r",
    "a size that is none": b"zz\r\nhello\r\n" + chunk(b""),
    "a prefix": b"0x5\r\nhello\r\n" + chunk(b""),
    "a sign": b"-5\r\nhello\r\n" + chunk(b""),
    "an underscore": b"0_5\r\nhello\r\n" + chunk(b""),
    "a space behind the size": b"5 \r\nhello\r\n" + chunk(b""),
    "an empty size": b"\r\nhello\r\n" + chunk(b""),
    "too large for any counter": b"1" + b"0" * 16 + b"\r\nhello\r\n" + chunk(b""),
    "line feeds alone": b"5\nhello\n0\n\n",
    "no line end behind the data": b"5\r\nhello" + chunk(b""),
    "more data than announced": b"5\r\nhello!!\r\n" + chunk(b""),
    "a line feed in an extension": b"5;a\nb\r\nhello\r\n" + chunk(b""),
    "an extension without bound": b"5;" + b"a" * 100_000 + b"\r\nhello\r\n" + chunk(b""),
    "trailers without bound": b"0\r\n" + b"X-Trailer: aaaaaaaaaaaaaaa\r\n" * 8000 + b"\r\n",
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


def assert_bad_gateway(rig: Rig, *codes: str) -> None:
    """The client gets one 502 problem, and its connection serves a next request, which sees nothing of the bad one."""
    with rig.client() as client:
        answer = client.get("/bad").read_response()
        assert answer.status == 502
        assert problem_code(answer) in codes
        rig.answers()
        after = client.get("/good").read_response()
        assert (after.status, after.body) == (200, b"ok")


@pytest.mark.parametrize("answer", BAD_HEADS.values(), ids=BAD_HEADS.keys())
def test_head_that_can_be_read_in_two_ways_is_answered_with_502(rig: Rig, answer: bytes) -> None:
    """Nothing of it is repaired or passed on."""
    rig.plays([read_request, answer + _NEXT, close])
    assert_bad_gateway(rig, "head_invalid", "upgrade_refused", "head_missing")


@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_oversize_head_is_answered_with_502(rig: Rig, answer: bytes) -> None:
    """A head has a bound, and the reason is told."""
    rig.plays([read_request, answer, close])
    assert_bad_gateway(rig, "head_too_large")


@pytest.mark.parametrize("script", NO_HEAD.values(), ids=NO_HEAD.keys())
def test_connection_that_ends_before_its_head_is_answered_with_502(rig: Rig, script: Script) -> None:
    """An answer without a whole head is none (RFC 9112 section 8)."""
    rig.plays(script)
    assert_bad_gateway(rig, "head_missing")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("ending", [close, reset], ids=["close", "reset"])
@pytest.mark.parametrize("broken", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS.keys())
def test_chunked_body_that_breaks_never_looks_complete(rig: Rig, broken: bytes, ending: Script, version: str) -> None:
    """What came whole arrives; then a 1.1 client misses the last chunk, a 1.0 client is reset (RFC 9112 section 8)."""
    rig.plays([read_request, _CHUNKED_OK + chunk(b"first"), 0.02, broken, 0.02, ending])
    with rig.client() as client:
        answer = client.send(request(f"GET /bad HTTP/{version}")).read_response()
    assert (answer.status, answer.complete) == (200, False)
    assert answer.ending in (("eof", "reset") if version == "1.1" else ("reset",))
    assert b"first".startswith(answer.body[:5])
    assert answer.body in (b"", b"first", b"firsthello")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("ending", [close, reset], ids=["close", "reset"])
@pytest.mark.parametrize("sent", [0, 1, 99])
def test_body_shorter_than_its_length_never_looks_complete(rig: Rig, sent: int, ending: Script, version: str) -> None:
    """A 1.1 client sees the announced length and fewer octets, a 1.0 client a reset too (RFC 9112 section 8)."""
    rig.plays([read_request, _OK + b"Content-Length: 100\r\n\r\n" + b"x" * sent, 0.05, ending])
    with rig.client() as client:
        answer = client.send(request(f"GET /bad HTTP/{version}")).read_response()
    assert (answer.status, answer.first("content-length"), answer.complete) == (200, "100", False)
    assert answer.ending in (("eof", "reset") if version == "1.1" else ("reset",))
    # The kernel may drop what a client has not read yet when a reset comes.
    assert answer.body == b"x" * sent if version == "1.1" else (b"x" * sent).startswith(answer.body)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_close_delimited_body_that_ends_in_a_reset_never_looks_complete(rig: Rig, version: str) -> None:
    """Only a clean close ends such a body (RFC 9112 section 8)."""
    rig.plays([read_request, _OK + b"\r\nfirst", 0.05, reset])
    answer = rig.ask(request(f"GET /bad HTTP/{version}"))
    assert (answer.status, answer.complete) == (200, False)
    assert answer.ending in (("eof", "reset") if version == "1.1" else ("reset",))


def test_cut_is_logged_as_truncated_though_its_status_was_200(rig: Rig) -> None:
    """F13: the line tells the end, not the promise of the head."""
    rig.plays([read_request, _CHUNKED_OK + chunk(b"first"), 0.02, close])
    assert not rig.ask(request("GET /cut-and-logged HTTP/1.1")).complete
    line = rig.gateway.wait_for_line(lambda line: line["target"] == "/cut-and-logged")
    assert (line["status"], line["outcome"], line["failure"]) == (200, "truncated", "body_cut")
    assert (line["side"], line["bytes_down"], line["attempts"]) == ("upstream", 5, 1)


SURPLUS = {
    "behind a length": response(b"ok", DATE),
    "behind a length of zero": response(b"", DATE),
    "behind chunks": _CHUNKED_OK + chunk(b"ok") + chunk(b""),
    "behind 204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "behind 304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
}


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "later"])
@pytest.mark.parametrize("answer", SURPLUS.values(), ids=SURPLUS.keys())
def test_octets_behind_an_answer_never_reach_the_next_client(rig: Rig, answer: bytes, at_once: bool) -> None:
    """A connection that said more than its answer is not used again (RFC 9112 section 6.3)."""
    said = threading.Event()
    answers = [answer + _NEXT] if at_once else [answer, 0.05, _NEXT]
    rig.plays([read_request, *answers, lambda _: said.set(), hang], [read_request, response(b"good")])
    first = rig.ask(request("GET /a HTTP/1.1"))
    assert first.complete
    assert first.body in (b"ok", b"")
    assert said.wait(5)
    assert rig.ask(request("GET /b HTTP/1.1")).body == b"good"


def test_octets_behind_an_answer_to_head_never_reach_the_next_client(rig: Rig) -> None:
    """A body where none may be is not read as an answer (RFC 9110 section 9.3.2)."""
    rig.plays([read_request, response(b"body of HEAD"), hang], [read_request, response(b"good")])
    head = rig.ask(request("HEAD /a HTTP/1.1"), method="HEAD")
    assert (head.status, head.first("content-length")) == (200, "12")
    assert rig.ask(request("GET /b HTTP/1.1")).body == b"good"
