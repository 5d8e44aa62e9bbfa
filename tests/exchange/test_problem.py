"""The replies that tell failures."""

import json

import pytest

from gateway.exchange.failure import (
    BODY_CUT,
    CLIENT_GONE,
    CONNECT_REFUSED,
    KINDS,
    METHOD_NOT_ALLOWED,
    OVERLOADED,
    Failure,
)
from gateway.exchange.message import Reply, Source
from gateway.exchange.problem import problem, proxy_status

REFUSED = Failure(CONNECT_REFUSED, "127.0.0.1:9000 refused")


def body_of(reply: Reply) -> bytes:
    return b"".join(reply.chunks)


def test_failure_is_told_as_a_problem_document() -> None:
    """The members are those of RFC 9457, with the code and the exchange to ask for."""
    reply = problem("0f1e", REFUSED, None, "GET")

    assert json.loads(body_of(reply)) == {
        "type": "urn:slowgate:failure:connect_refused",
        "title": CONNECT_REFUSED.title,
        "status": 502,
        "detail": "127.0.0.1:9000 refused",
        "code": "connect_refused",
        "exchange_id": "0f1e",
    }
    assert (reply.head.status, reply.head.reason, reply.source) == (502, "Bad Gateway", Source.LOCAL)
    assert reply.head.fields == [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body_of(reply)))),
        ("Cache-Control", "no-store"),
        ("Proxy-Status", 'slowgate; error=connection_refused; details="127.0.0.1:9000 refused"'),
    ]
    assert reply.length == len(body_of(reply))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_every_kind_can_be_told(kind: object) -> None:
    """No failure lacks a status, a reason phrase or a title."""
    reply = problem("0f1e", Failure(kind), None, "GET")  # type: ignore[arg-type]

    assert 400 <= reply.head.status <= 599
    assert reply.head.reason
    assert "detail" not in json.loads(body_of(reply))


def test_kind_that_has_no_status_is_told_as_internal_error() -> None:
    """A status always stands there, whatever happened."""
    assert problem("0f1e", Failure(CLIENT_GONE), None, "GET").head.status == 500


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain",
        "TEXT/Plain; charset=utf-8",
        "text/*",
        "text/plain, */*;q=0.1",
        "application/json;q=0.5, text/plain;q=0.6",
        "application/*;q=0, */*",
        "application/json;q=0.9, application/problem+json;q=0.1, text/plain",
    ],
)
def test_client_that_prefers_text_gets_one_line(accept: str) -> None:
    """A person at a terminal reads a sentence with the code and the exchange."""
    reply = problem("0f1e", REFUSED, accept, "GET")

    assert reply.head.first("content-type") == "text/plain; charset=utf-8"
    assert body_of(reply).decode() == (
        f"{CONNECT_REFUSED.title}: 127.0.0.1:9000 refused (connect_refused, exchange 0f1e)\n"
    )


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "text/event-stream",
        "application/json, text/plain",
        "text/plain;q=0.5, application/json",
        "text/plain;q=0",
        "text/plain;q=2",
        "text/plain;q=nan",
        "text/plain;q=",
        "text/*, text/plain;q=0.1, application/json;q=0.2",
        ";;,,;q",
    ],
)
def test_every_other_client_gets_json(accept: str | None) -> None:
    """Equal quality, no wish and nonsense all mean JSON (RFC 9110 section 12.5.1)."""
    assert problem("0f1e", REFUSED, accept, "GET").head.first("content-type") == "application/problem+json"


def test_text_without_detail_is_the_title_alone() -> None:
    """No colon stands before nothing."""
    assert body_of(problem("0f1e", Failure(BODY_CUT), "text/plain", "GET")) == (
        f"{BODY_CUT.title} (body_cut, exchange 0f1e)\n".encode()
    )


def test_head_request_gets_the_fields_of_get_and_no_octets() -> None:
    """Content-Length is that of the reply to GET (RFC 9110 section 9.3.2)."""
    reply, to_get = problem("0f1e", REFUSED, None, "HEAD"), problem("0f1e", REFUSED, None, "GET")

    assert reply.head == to_get.head
    assert (body_of(reply), reply.length) == (b"", 0)


def test_waiting_that_helps_is_announced() -> None:
    """Retry-After stands only where trying again makes sense."""
    assert problem("0f1e", Failure(OVERLOADED), None, "GET").head.first("retry-after") == "1"
    assert problem("0f1e", REFUSED, None, "GET").head.first("retry-after") is None


def test_further_fields_of_a_failure_are_sent() -> None:
    """A refused method comes with the methods that are served."""
    reply = problem("0f1e", Failure(METHOD_NOT_ALLOWED, "", (("Allow", "GET"),)), None, "PUT")

    assert reply.head.first("allow") == "GET"


def test_detail_cannot_break_out_of_field_line_or_text() -> None:
    """Quotes, line breaks and letters beyond ASCII stay what they are: text."""
    failure = Failure(BODY_CUT, 'a "b" \\ \r\nSet-Cookie: x é')

    assert proxy_status(failure) == (
        'slowgate; error=http_response_incomplete; details="a \\"b\\" \\\\ ??Set-Cookie: x ?"'
    )
    assert body_of(problem("i", failure, "text/plain", "GET")).count(b"\n") == 1
    assert json.loads(body_of(problem("i", failure, None, "GET")))["detail"] == 'a "b" \\  Set-Cookie: x é'


@pytest.mark.parametrize("accept", ["text/plain", None])
def test_detail_that_is_no_text_is_told_all_the_same(accept: str | None) -> None:
    """A half character, as file names may hold it, does not break the reply that tells of it."""
    assert b"a ? b" in body_of(problem("i", Failure(BODY_CUT, "a \udc80 b"), accept, "GET"))


def test_endless_detail_is_cut() -> None:
    """A foreign error page cannot become a head that no client takes."""
    reply = problem("i", Failure(BODY_CUT, "x" * 100_000), None, "GET")

    assert len(reply.head.first("proxy-status") or "") < 1200
    assert len(body_of(reply)) < 1300


def test_failure_without_registered_type_names_none() -> None:
    """A kind that RFC 9209 has no word for sends no empty parameter."""
    assert proxy_status(Failure(CLIENT_GONE)) == "slowgate"
