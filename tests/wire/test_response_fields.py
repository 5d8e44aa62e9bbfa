"""Status lines and field lines of responses: what an intermediary must change is changed, all else arrives as it was.

Sources: RFC 9110 sections 5.3, 5.5, 6.6.1 (Date), 7.6.1, 15 (status), 14 (ranges), 13 (conditions); RFC 9112 section 4.
"""

from collections.abc import Iterator

import pytest
from support.rig import DATE, Rig, request, without_id
from support.scripted_upstream import response

KEPT = {
    "several cookies": ["Set-Cookie: a=1; Path=/", "Set-Cookie: b=2, c", "set-cookie: a=3"],
    "order and repetition": ["X-A: 1", "X-B: 2", "x-a: 3", "X-A: 4"],
    "octets beyond ASCII": ["X-Text: caf\xe9 \x80\xff"],
    "names with underscores": ["X_Under: 1", "X-Under: 2"],
    "an untouched location": ["Location: HTTP://EXAMPLE.com/a[1]/../b?c d#e"],
    "a relative location": ["Location: ../a", "Content-Location: //EXAMPLE.com/%7e"],
    "several links": ["Link: <a>; rel=next", "Link: <b>; rel=last"],
    "the origin's Server": ["Server: origin/1.0 (test)"],
    "no invented type": ["Content-Type: text/plain"],
    "a type without charset": ["Content-Type: application/json"],
    "entity fields": ['ETag: W/"a"', "Last-Modified: yesterday", "Accept-Ranges: bytes", "Vary: *"],
    "challenges": ['WWW-Authenticate: Basic realm="a"', "WWW-Authenticate: Bearer"],
    "a Via of its own": ["Via: 1.1 origin-cache"],
    "codings that contradict the content": ["Content-Encoding: gzip", "Content-Type: text/plain"],
    "security fields": ["Strict-Transport-Security: max-age=1", "Content-Security-Policy: default-src 'self'"],
    "a Proxy-Status of its own": ["Proxy-Status: cache; fwd=miss"],
    "retry and limits": ["Retry-After: 120", "X-RateLimit-Remaining: 0"],
    "a long value": [f"X-Long: {'a' * 30_000}"],
    "500 fields": [f"X-Field-{number}: {number}" for number in range(500)],
    "event stream fields": ["Cache-Control: no-cache", "X-Accel-Buffering: no"],
}
STATUSES = [
    "200 OK",
    "200 ",
    "200 All is well, caf\xe9",
    "201 Created",
    "202 Accepted",
    "206 Partial Content",
    "207 Multi-Status",
    "226 IM Used",
    "299 Odd",
    "300 Multiple Choices",
    "301 Moved Permanently",
    "302 Found",
    "303 See Other",
    "307 Temporary Redirect",
    "308 Permanent Redirect",
    "400 Bad Request",
    "401 Unauthorized",
    "402 Payment Required",
    "404 Nope",
    "407 Proxy Authentication Required",
    "416 Range Not Satisfiable",
    "418 I'm a teapot",
    "429 Too Many Requests",
    "451 Unavailable For Legal Reasons",
    "499 Odd",
    "500 Internal Server Error",
    "502 Bad Gateway",
    "503 Service Unavailable",
    "504 Gateway Timeout",
    "520 Odd",
    "599 Odd",
    "799 Odd",
    "999 Odd",
]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


def came_back(rig: Rig, answer: bytes, method: str = "GET") -> bytes:
    """Return all octets a client gets for ``answer``, without the exchange's id."""
    rig.answers(answer)
    head, end, body = rig.octets(request(f"{method} /a HTTP/1.1", "Connection: close")).partition(b"\r\n\r\n")
    return without_id(head + end) + body


def octets(status: str, *lines: str, body: bytes = b"ok") -> bytes:
    """Return a response as it stands on the wire."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1") + body


@pytest.mark.parametrize("lines", KEPT.values(), ids=KEPT.keys())
def test_end_to_end_fields_come_back_octet_for_octet(rig: Rig, lines: list[str]) -> None:
    """In their order, in their case, repeated lines apart, nothing joined or completed (F15, F18)."""
    expected = octets("200 OK", DATE, *lines, "Content-Length: 2", "Connection: close")
    assert came_back(rig, response(b"ok", DATE, *lines)) == expected


@pytest.mark.parametrize("status", STATUSES)
def test_status_and_reason_come_back_as_they_are(rig: Rig, status: str) -> None:
    """Unusual ones too; redirects are not followed, errors not replaced (RFC 9110 section 15)."""
    lines = [DATE, "Location: /elsewhere"]
    expected = octets(status, *lines, "Content-Length: 2", "Connection: close")
    assert came_back(rig, response(b"ok", *lines, status=status)) == expected
    assert len(rig.seen) == 1


def test_status_line_without_reason_is_no_error(rig: Rig) -> None:
    """The reason may be empty, and then even its space is missing now and then (RFC 9112 section 4)."""
    answer = b"HTTP/1.1 200\r\n" + DATE.encode() + b"\r\nContent-Length: 2\r\n\r\nok"
    assert came_back(rig, answer) == octets("200 ", DATE, "Content-Length: 2", "Connection: close")


def test_hop_by_hop_fields_end_here(rig: Rig) -> None:
    """Those that are known and those that Connection names (RFC 9110 section 7.6.1)."""
    lines = [
        "Connection: keep-alive, ,X-Gone",
        "Keep-Alive: timeout=5",
        "X-Gone: 1",
        "Proxy-Connection: keep-alive",
        "Proxy-Authenticate: Basic",
        "Upgrade: h2c",
        "Trailer: X-A",
        "TE: trailers",
        "x-gone: 2",
        "Connection: x-too",
        "X-Too: 1",
    ]
    expected = octets("200 OK", DATE, "X-Kept: 1", "Content-Length: 2", "Connection: close")
    assert came_back(rig, response(b"ok", DATE, *lines, "X-Kept: 1")) == expected


@pytest.mark.parametrize("line", ["Set-Cookie: a=1", "Cache-Control: private", "Content-Type: a/b", "ETag: x"])
def test_connection_cannot_remove_what_recipients_decide_by(rig: Rig, line: str) -> None:
    """An answer that is private stays so, whatever an upstream's Connection says (RFC 9110 section 7.6.1)."""
    expected = octets("200 OK", DATE, line, "Content-Length: 2", "Connection: close")
    assert came_back(rig, response(b"ok", DATE, f"Connection: {line.partition(':')[0]}", line)) == expected


def test_white_space_around_a_value_is_no_part_of_it(rig: Rig) -> None:
    """It may be there or not (RFC 9112 section 5.1)."""
    lines = ["X-A:1", "X-B: \t 2 \t ", "X-C:"]
    expected = octets("200 OK", DATE, "X-A: 1", "X-B: 2", "X-C: ", "Content-Length: 2", "Connection: close")
    assert came_back(rig, response(b"ok", DATE, *lines)) == expected


def test_missing_date_is_added_and_no_server_is_invented(rig: Rig) -> None:
    """F15: at most one of each, the origin's kept (RFC 9110 section 6.6.1)."""
    rig.answers(response(b"ok"), response(b"ok", DATE, "Server: origin"))
    with rig.client() as client:
        added = client.get("/a").read_response()
        assert (len(added.all("date")), added.all("server")) == (1, [])
        assert (added.first("date") or "").endswith(" GMT")
        kept = client.get("/a").read_response()
        assert (kept.all("date"), kept.all("server")) == ([DATE.removeprefix("Date: ")], ["origin"])


def test_request_id_of_the_upstream_is_kept_and_logged_beside_ours(rig: Rig) -> None:
    """Its id is what its support asks for; the line in the log joins both."""
    rig.answers(response(b"ok", DATE, "X-Request-Id: theirs"))
    assert rig.ask(request("GET /their-id HTTP/1.1")).all("x-request-id") == ["theirs"]
    line = rig.gateway.wait_for_line(lambda line: line["target"] == "/their-id")
    assert line["upstream_request_id"] == "theirs"
    assert line["id"] == rig.seen[0].first("x-request-id") != "theirs"


CODED = {
    "gzip": (["Content-Encoding: gzip"], bytes.fromhex("1f8b08000000000002ffcbcf06004794c84702000000")),
    "gzip that is none": (["Content-Encoding: gzip"], b"plain text"),
    "an unknown coding": (["Content-Encoding: squeezed"], b"\x00\x01\x02"),
    "two codings": (["Content-Encoding: gzip, br"], b"\xff" * 100),
    "a type that is not true": (["Content-Type: application/json"], b"<html>"),
    "a charset that is not true": (["Content-Type: text/plain; charset=utf-8"], b"\xff\xfe\xe9"),
}


@pytest.mark.parametrize(("lines", "body"), CODED.values(), ids=CODED.keys())
def test_coded_octets_are_not_touched(rig: Rig, lines: list[str], body: bytes) -> None:
    """F7: nothing is decoded, coded or checked (RFC 9110 section 7.7)."""
    length = f"Content-Length: {len(body)}"
    assert came_back(rig, response(body, DATE, *lines)) == octets(
        "200 OK", DATE, *lines, length, "Connection: close", body=body
    )


PARTIAL = {
    "one range": ("206 Partial Content", ["Content-Range: bytes 0-1/10"], b"ok"),
    "several ranges": ("206 Partial Content", ["Content-Type: multipart/byteranges; boundary=x"], b"--x\r\n\r\n--x--"),
    "a range out of reach": ("416 Range Not Satisfiable", ["Content-Range: bytes */10"], b""),
    "a failed condition": ("412 Precondition Failed", ['ETag: "a"'], b"no"),
}


@pytest.mark.parametrize(("status", "lines", "body"), PARTIAL.values(), ids=PARTIAL.keys())
def test_partial_and_conditional_answers_come_back_as_they_are(
    rig: Rig, status: str, lines: list[str], body: bytes
) -> None:
    """Ranges and conditions are a matter between client and origin (RFC 9110 sections 13, 14)."""
    length = f"Content-Length: {len(body)}"
    assert came_back(rig, response(body, DATE, *lines, status=status)) == octets(
        status, DATE, *lines, length, "Connection: close", body=body
    )
