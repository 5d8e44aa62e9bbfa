"""Requests as they came: strict about framing, whatever pieces they arrive in, and nothing of them is lost."""

import itertools
import time
from collections.abc import Iterable

import pytest
from gunicorn.config import Config
from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from gateway.exchange.failure import FailureError
from gateway.server.request import ExactRequest, Limits

LIMITS = Limits(request_line_bytes=2048, fields=20, field_bytes=1024, head_bytes=8192)
CONFIG = Config()
CONFIG.set("http_parser", "python")
CONFIG.set("permit_unconventional_http_method", True)


def parsed(octets: bytes | Iterable[bytes], limits: Limits = LIMITS) -> ExactRequest:
    """Return the request in ``octets``, or in a list of pieces."""
    pieces = [octets] if isinstance(octets, bytes) else octets
    return ExactRequest(CONFIG, IterUnreader(pieces), ("192.0.2.7", 1), 1, limits=limits, scheme="https")


def parts(kind: type[Request], line: bytes) -> object:
    """Return what ``kind`` of request reads in a request line, or as what it refuses it."""
    request = kind.__new__(kind)
    request.cfg = CONFIG
    try:
        request.parse_request_line(line)
    except errors.ParseException as error:
        return type(error)
    return request.method, request.uri, request.path, request.query, request.fragment, request.version


def a_head(*lines: str, start: str = "GET / HTTP/1.1") -> bytes:
    """Return a head with the field ``lines``."""
    return "\r\n".join([start, *lines, "", ""]).encode("latin-1")


def verdict(pieces: Iterable[bytes]) -> object:
    """Return what a parser says about ``pieces``: what it read, or the kind of its refusal."""
    try:
        request = parsed(pieces)
        rest = b"".join(request.body.pieces()) if request.body.length != 0 else b""
    except errors.ParseException as error:
        return type(error)
    except FailureError as error:
        return error.failure.kind.code
    return request.method, request.uri, request.version, request.field_lines, request.body.length, rest


class TestHeads:
    """Request line and field lines."""

    def test_field_lines_keep_case_order_repetition_and_underscores(self) -> None:
        """What gunicorn would join, drop and upper-case (F17)."""
        request = parsed(a_head("hOst: h", "Cookie: a", "X_y:\t1 ", "cookie: b", "X-y:2", "Empty:", "T: \xe9\t\xff"))

        assert request.field_lines == [
            ("hOst", "h"), ("Cookie", "a"), ("X_y", "1"), ("cookie", "b"), ("X-y", "2"), ("Empty", ""),
            ("T", "\xe9\t\xff"),
        ]  # fmt: skip
        assert "X_Y" not in dict(request.headers)
        assert request.scheme == "https"

    @pytest.mark.parametrize("line", ["Content_Length: 5", "Transfer_Encoding: chunked", "content_length: 0"])
    def test_name_that_wsgi_takes_for_framing_is_refused(self, line: str) -> None:
        """For CGI and WSGI an underscore is a dash: who reads it after us may find another end of the body."""
        assert verdict([a_head("Host: h", line)]) is errors.InvalidHeader

    def test_names_with_underscores_never_frame(self) -> None:
        """``X_Content_Length`` is a field like any other, also for whoever reads it after us."""
        request = parsed(a_head("Host: h", "X_Content_Length: 5", "X_Transfer_Encoding: chunked"))

        assert request.body.length == 0

    @pytest.mark.parametrize("start", ["get / HTTP/1.1", "M-SEARCH * HTTP/1.1", "A|b~ /%zz?# HTTP/1.1"])
    def test_verdict_about_targets_is_about_targets_only(self, start: str) -> None:
        """Any token is a method; ``*`` is for OPTIONS alone, and no target has a fragment."""
        refused = "*" in start or "#" in start
        assert (verdict([a_head("Host: h", start=start)]) is errors.InvalidRequestLine) is refused

    @pytest.mark.parametrize("method", ["GET", "GE", "G" * 20, "G" * 21, "GEt"])
    @pytest.mark.parametrize("target", ["/", "/a?b?c", "/?", "//a/b", "//[", '/"<>', "/a//b", "a", "*"])
    @pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "http/1.1"])
    def test_line_that_is_taken_at_once_is_taken_as_gunicorn_takes_it(
        self, method: str, target: str, version: str
    ) -> None:
        """The short cut knows nothing better: same verdict, same parts."""
        line = f"{method} {target} {version}".encode()

        assert parts(ExactRequest, line) == parts(Request, line)

    @pytest.mark.parametrize(
        ("head", "refusal"),
        [
            (b"GET / HTTP/1.1\nHost: h\r\n\r\n", errors.InvalidRequestLine),
            (b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", errors.InvalidHeader),
            (b"GET / HTTP/1.1\r\nHost: h\r\n\nA: b\r\n\r\n", errors.ParseException),
            (b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", errors.InvalidHeader),
            (b"GET / HTTP/1.1\r\nA: b\r\n\r\r\n", errors.InvalidHeader),
            (b"GET / HTTP/1.1\r\nA: b\rc", errors.InvalidHeader),
            (b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", errors.InvalidRequestLine),
            (b"GET / HTTP/1.1\rA", errors.InvalidRequestLine),
            (b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n", errors.InvalidHeader),
            (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", errors.InvalidHeaderName),
            (b"GET / HTTP/1.1\r\nA\r\n\r\n", errors.InvalidHeaderName),
            (b"GET / HTTP/1.1\r\n: b\r\n\r\n", errors.InvalidHeaderName),
            (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", errors.ObsoleteFolding),
            (b"GET / HTTP/1.1\r\n A: b\r\n\r\n", errors.ObsoleteFolding),
            (b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", errors.InvalidHeader),
            (b"GET / HTTP/1.1\r\nContent-Type: a\r\nContent-Type: a\r\n\r\n", errors.InvalidHeader),
            (b"GET / HTTP/1.1\r\nExpect: a-miracle\r\n\r\n", errors.ExpectationFailed),
            (b"GET / HTTP/2.0\r\n\r\n", errors.InvalidHTTPVersion),
            (b"GET / http/1.1\r\n\r\n", errors.InvalidHTTPVersion),
            (b"GET /\r\n\r\n", errors.InvalidRequestLine),
            (b"GET  / HTTP/1.1\r\n\r\n", errors.InvalidRequestLine),
            (b" GET / HTTP/1.1\r\n\r\n", errors.InvalidRequestMethod),
            (b"GET /\x7f HTTP/1.1\r\n\r\n", errors.InvalidRequestLine),
            (b"GET /\xe9 HTTP/1.1\r\n\r\n", errors.InvalidRequestLine),
            (b"G(T / HTTP/1.1\r\n\r\n", errors.InvalidRequestMethod),
            (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", errors.InvalidRequestLine),
        ],
    )
    def test_head_that_two_readers_could_read_differently_is_refused(
        self, head: bytes, refusal: type[Exception]
    ) -> None:
        """RFC 9112 sections 2.2, 3 and 5, wherever the pieces are cut."""
        for pieces in ([head], [head[index : index + 1] for index in range(len(head))]):
            assert issubclass(verdict(pieces), refusal)  # type: ignore[arg-type]

    def test_one_empty_line_before_the_request_is_ignored(self) -> None:
        """RFC 9112 section 2.2."""
        assert parsed(b"\r\n" + a_head("Host: h")).method == "GET"

    def test_head_without_fields_is_a_head(self) -> None:
        """HTTP/1.0 allows it."""
        request = parsed(a_head(start="GET / HTTP/1.0"))

        assert (request.field_lines, request.version) == ([], (1, 0))

    @pytest.mark.parametrize(
        "octets",
        [
            b"\r\nPOST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nH: h\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: u\r\n\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
        ],
    )
    def test_verdict_does_not_depend_on_how_the_octets_were_split(self, octets: bytes) -> None:
        """Any one cut, and octet by octet."""
        whole = verdict([octets])
        for index in range(1, len(octets)):
            assert verdict([octets[:index], octets[index:]]) == whole
        assert verdict([octets[index : index + 1] for index in range(len(octets))]) == whole

    @pytest.mark.parametrize("octets", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: h\r\n", b"\r"])
    def test_head_that_never_ends_is_no_request(self, octets: bytes) -> None:
        """The connection ended; nobody is answered."""
        with pytest.raises(errors.NoMoreData):
            parsed([octets])

    def test_connection_that_ends_between_requests_just_ends(self) -> None:
        """That is no error of anybody."""
        with pytest.raises(StopIteration):
            parsed([])


class TestLimits:
    """What one connection can make us keep, and spend."""

    @pytest.mark.parametrize(
        ("pieces", "refusal"),
        [
            ([b"GET /" + b"a" * 2034 + b" HTTP/1.1\r\n\r\n"], None),
            ([b"GET /" + b"a" * 2035 + b" HTTP/1.1\r\n\r\n"], errors.LimitRequestLine),
            ([b"GET /", *itertools.repeat(b"a" * 100, 50)], errors.LimitRequestLine),
            ([a_head("A: " + "b" * 1019)], None),
            ([a_head("A: " + "b" * 1020)], errors.LimitRequestHeaders),
            ([a_head(*["A: b"] * 20)], None),
            ([a_head(*["A: b"] * 21)], errors.LimitRequestHeaders),
            ([b"GET / HTTP/1.1\r\n", *itertools.repeat(b"A: b\r\n" * 100, 50)], errors.LimitRequestHeaders),
            ([b"GET / HTTP/1.1\r\n", *itertools.repeat(b"a" * 1000, 50)], errors.LimitRequestHeaders),
        ],
    )
    def test_each_limit_is_exact_and_needs_no_end_of_the_head(
        self, pieces: list[bytes], refusal: type[Exception] | None
    ) -> None:
        """An endless head is refused as soon as it is too long."""
        result = verdict(pieces)
        assert result is refusal if refusal else isinstance(result, tuple)

    def test_head_that_drips_costs_no_more_than_one_that_flows(self) -> None:
        """A large head in small pieces must not hold up every other connection: its octets are looked at once."""
        limits = Limits(2048, 100_000, 1024)
        line = b"A: " + b"b" * 95 + b"\r\n"
        octets = b"GET / HTTP/1.1\r\n" + line * 8000 + b"\r\n"
        began = time.process_time()

        parsed((octets[index : index + 100] for index in range(0, len(octets), 100)), limits)

        assert time.process_time() - began < 1.5


class TestFraming:
    """How the body's end is known (RFC 9112 section 6)."""

    @pytest.mark.parametrize(
        "lines",
        [
            ["Content-Length: 5", "Content-Length: 5"],
            ["Content-Length: 5, 5"],
            ["Content-Length: +5"],
            ["Content-Length: 0x5"],
            ["Content-Length: 5_0"],
            ["Content-Length: \xb2"],
            ["Content-Length:"],
            ["Content-Length: -1"],
            ["Content-Length: " + "9" * 5000],
            ["Content-Length: 18446744073709551621"],
            ["Content-Length: 9999999999999999999"],
            ["Content-Length: 0000000000000000005"],
            ["Expect: 100-continue", "Expect: 100-continue"],
            ["Content-Length: 5", "Transfer-Encoding: chunked"],
            ["Transfer-Encoding: identity"],
            ["Transfer-Encoding: chunked, chunked"],
            ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
            ["Transfer-Encoding: chunked, gzip"],
            ["Transfer-Encoding: gzip, chunked"],
            ["Transfer-Encoding: identity, chunked"],
            ["Transfer-Encoding: xchunked"],
            ["Transfer-Encoding: chunked,"],
            ["Transfer-Encoding:"],
            ['Transfer-Encoding: "chunked"'],
        ],
    )
    def test_framing_that_is_not_clear_is_refused(self, lines: list[str]) -> None:
        """Two readers must not disagree about where the next request begins."""
        limits = Limits(2048, 20, 8192)
        with pytest.raises((errors.InvalidHeader, errors.UnsupportedTransferCoding)):
            parsed(a_head("Host: h", *lines, start="POST / HTTP/1.1"), limits)

    def test_transfer_encoding_in_http_1_0_is_refused(self) -> None:
        """Its sender knows nothing of chunks."""
        with pytest.raises(errors.InvalidHeader):
            parsed(a_head("Transfer-Encoding: chunked", start="POST / HTTP/1.0"))

    @pytest.mark.parametrize(
        ("lines", "length"),
        [
            ([], 0),
            (["Content-Length: 0"], 0),
            (["Content-Length: 0005"], 5),
            (["Transfer-Encoding: CHUNKED"], None),
            (["transfer-encoding:\tchunked "], None),
        ],
    )
    def test_body_is_as_long_as_was_announced(self, lines: list[str], length: int | None) -> None:
        """A request without framing has no body, whatever follows."""
        assert parsed(a_head("Host: h", *lines, start="POST / HTTP/1.1")).body.length == length

    @pytest.mark.parametrize(
        ("version", "lines", "closes"),
        [
            ("1.1", [], False),
            ("1.1", ["Connection: keep-alive"], False),
            ("1.1", ["Connection: a, CLOSE"], True),
            ("1.1", ["Connection: keep-alive", "connection:\tclose"], True),
            ("1.1", ["Connection: closed"], False),
            ("1.0", [], True),
            ("1.0", ["Connection: Keep-Alive"], False),
            ("1.0", ["Connection: keep-alive, close"], True),
        ],
    )
    def test_connection_goes_on_as_the_client_wishes(self, version: str, lines: list[str], closes: bool) -> None:
        """RFC 9112 section 9.3, all lines and options read."""
        assert parsed(a_head("Host: h", *lines, start=f"GET / HTTP/{version}")).should_close() is closes


@pytest.mark.parametrize("stops", range(1, 5))
@pytest.mark.parametrize(
    ("framing", "pieces"),
    [
        ("Content-Length: 9", [b"one", b"two", b"sixGET"]),
        ("Transfer-Encoding: chunked", [b"3\r\none\r\n", b"6\r\ntwo", b"six\r\n", b"0\r\n\r\nGET"]),
    ],
)
def test_body_goes_on_behind_the_last_piece_that_was_read(framing: str, pieces: list[bytes], stops: int) -> None:
    """Whoever reads may be stopped and another go on: no octet is lost or doubled, nor what follows the body."""
    body = parsed([a_head("Host: h", framing, start="POST / HTTP/1.1"), *pieces]).body

    read = [piece for _, piece in zip(range(stops), body.pieces(), strict=False)]
    read += body.pieces()

    assert b"".join(read) == b"onetwosix"
    assert body.done
    assert list(body.pieces()) == []
    assert body._unreader.take_buffered() == b"GET"
