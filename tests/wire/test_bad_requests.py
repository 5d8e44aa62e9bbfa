"""Requests that are malformed, or that two readers could take for different ones: refused, and nothing goes up.

Sources: RFC 9112 sections 2.2 (lines), 3 (request line), 3.2 (target and Host), 5 (fields); RFC 9110 section 5.5.
Requests whose body's framing is in doubt are in test_request_framing.py.
"""

import json
import random
import re
from collections.abc import Iterator

import pytest
from support.rig import Rig, problem_code, request

_NEXT = request("GET /smuggled HTTP/1.1")
"""What stands behind every bad request: it must never be answered, nor reach the upstream."""
_BAD = (400, "bad_request")
_VERSION = (505, "version_unsupported")

BAD_REQUEST_LINES = {
    "a line feed alone": b"GET / HTTP/1.1\nHost: gateway.test\n\n",
    "a carriage return alone": b"GET / HTTP/1.1\rHost: gateway.test\r\n\r\n",
    "a line feed alone behind the request line": b"GET / HTTP/1.1\nHost: gateway.test\r\n\r\n",
    "no version": b"GET /\r\nHost: gateway.test\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: gateway.test\r\n\r\n",
    "an empty target": b"GET  HTTP/1.1\r\nHost: gateway.test\r\n\r\n",
    "only a method": b"GET\r\nHost: gateway.test\r\n\r\n",
    "two spaces before the target": request("GET  / HTTP/1.1"),
    "a space at the beginning": request(" GET / HTTP/1.1"),
    "a tab instead of a space": request("GET\t/ HTTP/1.1"),
    "a space in the target": request("GET /a b HTTP/1.1"),
    "a tab in the target": request("GET /a\tb HTTP/1.1"),
    "a vertical tab in the target": request("GET /a\vb HTTP/1.1"),
    "a NUL in the target": request("GET /a\0b HTTP/1.1"),
    "a DEL in the target": request("GET /a\x7fb HTTP/1.1"),
    "a carriage return in the target": request("GET /a\rb HTTP/1.1"),
    "an octet beyond ASCII in the target": request("GET /a\xe9 HTTP/1.1"),
    "a fragment": request("GET /a#b HTTP/1.1"),
    "a fragment in the query": request("GET /a?b#c HTTP/1.1"),
    "a fragment in an absolute target": request("GET http://gateway.test/#b HTTP/1.1"),
    "a target without slash": request("GET abc HTTP/1.1"),
    "a target of authority-form": request("GET gateway.test:80 HTTP/1.1"),
    "an asterisk with GET": request("GET * HTTP/1.1"),
    "an asterisk and more": request("OPTIONS *a HTTP/1.1"),
    "an absolute target with a bad address": request("GET http://[*]/ HTTP/1.1"),
    "a method that is no token": request("G[T / HTTP/1.1"),
    "a method with a colon": request("GET: / HTTP/1.1"),
    "a method with a NUL": request("G\0T / HTTP/1.1"),
    "a method beyond ASCII": request("G\xc9T / HTTP/1.1"),
    "something after the version": request("GET / HTTP/1.1 x"),
    "two empty lines before it": b"\r\n\r\n" + request("GET / HTTP/1.1"),
    "an empty line of a line feed before it": b"\n" + request("GET / HTTP/1.1"),
}
BAD_TARGETS = {
    "another scheme": "GET ftp://gateway.test/ HTTP/1.1",
    "an absolute target without host": "GET http:///a HTTP/1.1",
    "an absolute target with a user": "GET http://user@gateway.test/ HTTP/1.1",
    "an absolute target with a bad port": "GET http://gateway.test:x/ HTTP/1.1",
    "a scheme and no more": "GET http:// HTTP/1.1",
}
BAD_VERSIONS = {
    "lower case": "http/1.1",
    "HTTP/2": "HTTP/2.0",
    "HTTP/0.9": "HTTP/0.9",
    "without minor": "HTTP/1",
    "two digits": "HTTP/1.10",
    "a comma": "HTTP/1,1",
    "a space at the end": "HTTP/1.1 ",
    "another protocol": "RTSP/1.0",
    "a plus": "HTTP/+1.1",
}
BAD_FIELDS = {
    "a space before the colon": "X-Test : 1",
    "a tab before the colon": "X-Test\t: 1",
    "no colon": "X-Test",
    "an empty name": ": 1",
    "a space in the name": "X Test: 1",
    "a name in brackets": "X[Test]: 1",
    "a name with a slash": "X/Test: 1",
    "a name beyond ASCII": "X-T\xe9st: 1",
    "a NUL in the name": "X-T\0st: 1",
    "a NUL in the value": "X-Test: a\0b",
    "a vertical tab in the value": "X-Test: a\vb",
    "an escape in the value": "X-Test: a\x1bb",
    "a DEL in the value": "X-Test: a\x7fb",
    "a carriage return in the value": "X-Test: a\rb",
    "a carriage return at the end of the value": "X-Test: a\r",
    "a carriage return that hides a field": "X-Test: a\rContent-Length: 5",
    "a line feed in the value": "X-Test: a\nb",
    "a line feed that hides a field": "X-Test: a\nTransfer-Encoding: chunked",
    "a folded line": "X-Test: a\r\n b",
    "a folded line with a tab": "X-Test: a\r\n\tb",
    "a folded empty line": "X-Test: a\r\n \r\nX-More: b",
    "a second Host": "Host: gateway.test",
    "a second, different Host": "HOST: other.test",
    "a space before the colon of framing": "Content-Length : 5",
    "a folded framing field": "Transfer-Encoding:\r\n chunked",
}
BAD_HOSTS = {
    "a space": "gate way.test",
    "two of them": "a.test, b.test",
    "a user": "user@gateway.test",
    "a path": "gateway.test/x",
    "a query": "gateway.test?x",
    "a port that is no number": "gateway.test:8x",
    "a port out of range": "gateway.test:65536",
    "an open bracket": "[::1",
    "no address in brackets": "[gateway]",
    "an octet beyond ASCII": "gat\xe9way.test",
    "a quote": '"gateway.test"',
}
SPACE_FIRST = {
    "a space": b"GET / HTTP/1.1\r\n Host: gateway.test\r\n\r\n",
    "a tab": b"GET / HTTP/1.1\r\n\tX-Test: 1\r\nHost: gateway.test\r\n\r\n",
    "a line of spaces": b"GET / HTTP/1.1\r\n \r\nHost: gateway.test\r\n\r\n",
}

ODD_BUT_CLEAR = {
    "HTTP/1.2": (request("GET /a HTTP/1.2"), b"GET /a HTTP/1.1\r\nHost: up\r\n\r\n"),
    "an empty Host": (request("GET /a HTTP/1.1", host=""), b"GET /a HTTP/1.1\r\nHost: up\r\n\r\n"),
    "zeros before a length": (
        request("POST /a HTTP/1.1", "Content-Length: 0005", body=b"hello"),
        b"POST /a HTTP/1.1\r\nHost: up\r\nContent-Length: 5\r\n\r\n",
    ),
    "tabs around a length": (
        request("POST /a HTTP/1.1", "CONTENT-LENGTH:\t5\t", body=b"hello"),
        b"POST /a HTTP/1.1\r\nHost: up\r\nContent-Length: 5\r\n\r\n",
    ),
    "names like framing": (
        request("GET /a HTTP/1.1", "X_Content_Length: 5", "X-Content-Length: 5", "Transfer-Encodings: chunked"),
        b"GET /a HTTP/1.1\r\nHost: up\r\nX_Content_Length: 5\r\nX-Content-Length: 5\r\n"
        b"Transfer-Encodings: chunked\r\n\r\n",
    ),
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        rig.answers()
        yield rig


def assert_refused(rig: Rig, octets: bytes, *codes: tuple[int, str]) -> None:
    """One problem document comes back, the connection ends cleanly, and the upstream hears nothing at all."""
    rig.answers()
    with rig.client() as client:
        answer = client.send(octets + _NEXT).read_response()
        assert (answer.status, problem_code(answer)) in codes
        assert answer.all("connection") == ["close"]
        assert len(answer.all("date")) == 1
        assert client.arrivals(5.0) == [], "more than one answer"
        assert client.wait_closed() == "eof"
    rig.assert_untouched()


@pytest.mark.parametrize("octets", BAD_REQUEST_LINES.values(), ids=BAD_REQUEST_LINES.keys())
def test_malformed_request_line_is_refused(rig: Rig, octets: bytes) -> None:
    """400 (505 where a stray space reads as the version) and the end of the connection (RFC 9112 sections 2.2, 3)."""
    assert_refused(rig, octets, _BAD, _VERSION)


@pytest.mark.parametrize("line", BAD_TARGETS.values(), ids=BAD_TARGETS.keys())
def test_absolute_target_that_is_not_ours_to_serve_is_refused(rig: Rig, line: str) -> None:
    """400; where the request ends is not in doubt, so the connection stays (RFC 9112 section 3.2.2)."""
    rig.answers()
    with rig.client() as client:
        answer = client.send(request(line)).read_response()
        assert (answer.status, problem_code(answer)) == _BAD
        rig.assert_untouched()
        assert client.get("/next").read_response().status == 200


@pytest.mark.parametrize("version", BAD_VERSIONS.values(), ids=BAD_VERSIONS.keys())
def test_unknown_version_is_refused(rig: Rig, version: str) -> None:
    """505 and the end of the connection (RFC 9110 section 15.6.6)."""
    assert_refused(rig, request(f"GET / {version}"), _VERSION)


@pytest.mark.parametrize("line", BAD_FIELDS.values(), ids=BAD_FIELDS.keys())
@pytest.mark.parametrize("last", [False, True], ids=["then another", "last"])
def test_malformed_field_line_is_refused(rig: Rig, line: str, last: bool) -> None:
    """400 wherever the line stands; it hides no other line (RFC 9112 sections 5.1, 5.2; RFC 9110 section 5.5)."""
    lines = [line] if last else [line, "X-Other: 1"]
    assert_refused(rig, request("GET / HTTP/1.1", *lines), _BAD)


@pytest.mark.parametrize("octets", SPACE_FIRST.values(), ids=SPACE_FIRST.keys())
def test_white_space_before_the_first_field_is_refused(rig: Rig, octets: bytes) -> None:
    """400: neither skipped nor joined to the request line (RFC 9112 section 2.2)."""
    assert_refused(rig, octets, _BAD)


@pytest.mark.parametrize("host", BAD_HOSTS.values(), ids=BAD_HOSTS.keys())
def test_invalid_host_is_refused(rig: Rig, host: str) -> None:
    """400, in HTTP/1.0 too (RFC 9112 section 3.2)."""
    rig.answers()
    for version in ("1.1", "1.0"):
        answer = rig.ask(request(f"GET / HTTP/{version}", host=host))
        assert (answer.status, problem_code(answer)) == _BAD
    rig.assert_untouched()


def test_request_without_host_is_refused_in_http_1_1_only(rig: Rig) -> None:
    """400 for HTTP/1.1; HTTP/1.0 had no Host (RFC 9112 section 3.2)."""
    rig.answers()
    answer = rig.ask(request("GET / HTTP/1.1", host=None))
    assert (answer.status, problem_code(answer)) == _BAD
    rig.assert_untouched()
    assert rig.ask(request("GET / HTTP/1.0", host=None)).status == 200
    assert rig.seen[0].all("host") == [rig.host]


def test_one_empty_line_before_a_request_is_ignored(rig: Rig) -> None:
    """Old clients send CRLF behind a body; it begins no request, first or later (RFC 9112 section 2.2)."""
    rig.answers()
    with rig.client() as client:
        for target in ("/first", "/second"):
            client.send(b"\r\n" + request(f"GET {target} HTTP/1.1"))
            assert client.read_response().status == 200
    assert [seen.target for seen in rig.seen] == ["/first", "/second"]


def test_octets_that_are_no_http_are_answered_and_cut_off(rig: Rig) -> None:
    """A TLS hello on the plain port, or noise, ends in one answer: never in a hang or a defect."""
    for noise in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"\x00" * 64 + b"\r\n\r\n", b"{}\r\n\r\n"):
        answer = rig.ask(noise)
        assert (answer.status, problem_code(answer)) == _BAD


def test_refusal_is_logged_as_rejected(rig: Rig) -> None:
    """A request that could not be read has its line in the log, too."""
    document = json.loads(rig.ask(b"GET\r\n\r\n").body)
    line = rig.gateway.wait_for_line(lambda line: line["id"] == document["exchange_id"])
    assert (line["outcome"], line["failure"], line["side"]) == ("rejected", "bad_request", "downstream")
    assert line["attempts"] == 0


@pytest.mark.parametrize(("octets", "head"), ODD_BUT_CLEAR.values(), ids=ODD_BUT_CLEAR.keys())
def test_odd_request_that_has_one_meaning_goes_up_well_formed(rig: Rig, octets: bytes, head: bytes) -> None:
    """Exactly one request reaches the upstream, and the next one behind it is the next one."""
    rig.answers()
    with rig.client() as client:
        client.send(octets + request("GET /next HTTP/1.1"))
        assert [client.read_response().status for _ in range(2)] == [200, 200]
    assert rig.heads() == [head, b"GET /next HTTP/1.1\r\nHost: up\r\n\r\n"]


_ODD = b"\r|\n|\r\n|\0| |\t|:|,|\xff|0|\r\n |\x0b|chunked|5|#|-".split(b"|")
_PATTERNS = [
    request("POST /a HTTP/1.1", "Content-Length: 5", "X-A: 1", body=b"hello"),
    request("POST /a HTTP/1.1", "Transfer-Encoding: chunked", "X-A: 1", body=b"5\r\nhello\r\n0\r\n\r\n"),
]


def test_something_odd_anywhere_never_makes_two_readings_of_a_request(rig: Rig) -> None:
    """The upstream reads whole requests, each of them answered, and at most one that is cut."""
    rng = random.Random(9112)
    accepted = refused = 0
    for _ in range(400):
        pattern = rng.choice(_PATTERNS)
        at, odd = rng.randrange(len(pattern)), rng.choice(_ODD)
        octets = pattern[:at] + odd + pattern[at + rng.choice((0, len(odd))) :]
        rig.answers()
        with rig.client() as client:
            # What is behind it fills whatever the bad one may still want, and ends in a request that closes.
            client.send(octets + b"0\r\n\r\n" * 3 + request("GET /end HTTP/1.1", "Connection: close"))
            said = b"".join(piece for _, piece in client.arrivals(0.5))
        statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", said)]
        whole = [seen for seen in rig.seen if seen.body_complete]
        assert statuses, octets
        assert statuses.count(200) == len(whole), (octets, said, rig.seen)
        assert len(rig.seen) - len(whole) <= 1, (octets, rig.seen)
        accepted, refused = accepted + len(whole), refused + (max(statuses) >= 400)
    assert accepted > 20 and refused > 200, "the corpus no longer has both kinds"
