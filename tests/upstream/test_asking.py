"""Request heads: exactly what was asked, in exactly one framing."""

import pytest

from gateway.exchange.failure import FailureError
from gateway.exchange.message import Fields
from gateway.upstream.asking import NO_BODY, request_head

FIELDS: Fields = [("Host", "up.example"), ("X-b", "1"), ("x-A", "2"), ("X-b", "\xe4"), ("Empty", "")]


def test_head_holds_the_target_and_the_fields_as_they_are() -> None:
    """No octet is quoted, no line sorted, joined, renamed or invented."""
    head, expects = request_head("GET", "/a%2fb//..;x?%zz&a=+'\"[]|\xe4", FIELDS, "ignored", NO_BODY)

    assert head == (
        b"GET /a%2fb//..;x?%zz&a=+'\"[]|\xe4 HTTP/1.1\r\n"
        b"Host: up.example\r\nX-b: 1\r\nx-A: 2\r\nX-b: \xe4\r\nEmpty: \r\n\r\n"
    )
    assert not expects


def test_missing_host_is_the_endpoints_and_comes_first() -> None:
    """HTTP/1.1 demands one, and servers look for it at the top (RFC 9110 section 7.2)."""
    head, _ = request_head("OPTIONS", "*", [("A", "b")], "up.example:81", NO_BODY)

    assert head == b"OPTIONS * HTTP/1.1\r\nHost: up.example:81\r\nA: b\r\n\r\n"


@pytest.mark.parametrize(
    ("length", "framing"),
    [
        (NO_BODY, b""),
        (0, b"Content-Length: 0\r\n"),
        (17, b"Content-Length: 17\r\n"),
        (None, b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_body_gets_exactly_one_framing(length: int | None, framing: bytes) -> None:
    """Never two of them, never one for a request without a body."""
    head, _ = request_head("POST", "/", [("Host", "h")], "h", length)

    assert head == b"POST / HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n"


@pytest.mark.parametrize(
    ("value", "length", "expects"),
    [
        ("100-continue", 5, True),
        ("100-Continue", None, True),
        ("100-continue", 0, False),
        ("100-continue", NO_BODY, False),
        ("something", 5, False),
    ],
)
def test_expectation_counts_only_before_a_body(value: str, length: int | None, expects: bool) -> None:
    """Without a body there is nothing to wait for (RFC 9110 section 10.1.1)."""
    assert request_head("POST", "/", [("Expect", value)], "h", length)[1] is expects


@pytest.mark.parametrize("length", [NO_BODY, 0])
def test_expectation_without_content_is_not_sent(length: int) -> None:
    """A client must not send it, and servers differ about what they then read (RFC 9110 section 10.1.1)."""
    head, _ = request_head("GET", "/", [("Host", "h"), ("eXpect", "100-Continue"), ("A", "b")], "h", length)

    assert b"xpect" not in head
    assert b"A: b\r\n" in head


@pytest.mark.parametrize(
    ("method", "target", "fields"),
    [
        ("GET", "/", [("A", "b\r\nEvil: 1")]),
        ("GET", "/", [("A", "b\nEvil: 1")]),
        ("GET", "/", [("A", "b\r")]),
        ("GET", "/", [("A", "b\0")]),
        ("GET", "/", [("A\r\nB", "c")]),
        ("GET", "/", [("A B", "c")]),
        ("GET", "/", [("", "c")]),
        ("GET", "/", [("A", "\u20ac")]),
        ("GET", "/ HTTP/1.1\r\nEvil: 1\r\n\r\nGET /", []),
        ("GET", "/a b", []),
        ("GET", "", []),
        ("G T", "/", []),
        ("GET / HTTP/1.1\r\nA: b\r\n\r\nGET", "/", []),
        ("POST", "/", [("Content-Length", "5")]),
        ("POST", "/", [("transfer-encoding", "chunked")]),
    ],
)
def test_head_that_would_be_read_otherwise_is_not_sent(method: str, target: str, fields: Fields) -> None:
    """Nothing in a head can become another line, another framing or another request."""
    with pytest.raises(FailureError) as caught:
        request_head(method, target, fields, "h", NO_BODY)

    assert caught.value.failure.kind.code == "internal"
    assert "Evil" not in str(caught.value)
