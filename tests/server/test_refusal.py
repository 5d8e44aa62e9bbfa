"""What the server answers to what it could not read: the right status, one whole answer, and nothing of the request."""

import json

import pytest
from gunicorn.http import errors

from gateway.exchange.failure import BAD_REQUEST, HEAD_TIMEOUT, OVERLOADED, Failure
from gateway.server.refusal import answer, failure_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.LimitRequestLine(9000, 8000), 414),
        (errors.LimitRequestHeaders("too many"), 431),
        (errors.InvalidHTTPVersion((2, 0)), 505),
        (errors.UnsupportedTransferCoding("gzip"), 501),
        (errors.ExpectationFailed("secret"), 417),
        (errors.InvalidRequestLine("secret"), 400),
        (errors.InvalidRequestMethod("secret"), 400),
        (errors.ObsoleteFolding("secret"), 400),
        (errors.InvalidHeaderName("secret"), 400),
        (errors.InvalidHeader("secret"), 400),
    ],
)
def test_each_refusal_of_the_parser_has_its_status_and_quotes_nothing(error: Exception, status: int) -> None:
    """What a client sent may be a secret, in the wrong place."""
    failure = failure_of(error)

    assert failure is not None
    assert failure.kind.status == status
    assert "secret" not in str(failure)


def test_error_that_is_not_the_requests_fault_is_no_refusal() -> None:
    """A defect of ours must not look like the client's."""
    assert failure_of(ValueError("ours")) is None


def split(octets: bytes) -> tuple[str, list[str], bytes]:
    """Return the first line, the field lines and the body."""
    head, _, body = octets.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return first, lines, body


def test_answer_is_a_whole_problem_document_and_the_last_on_its_connection() -> None:
    """Framed by its length, with Date, Proxy-Status and `Connection: close`, exactly once each."""
    first, lines, body = split(b"".join(answer("0f1e", Failure(BAD_REQUEST, "no"), "GET")))

    assert first == "HTTP/1.1 400 Bad Request"
    fields = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    assert len(fields) == len(lines)
    assert fields["Content-Length"] == str(len(body))
    assert fields["Connection"] == "close"
    assert fields["Proxy-Status"].startswith("slowgate; error=http_request_error")
    assert "Date" in fields
    document = json.loads(body)
    assert (document["status"], document["exchange_id"], document["detail"]) == (400, "0f1e", "no")


def test_answer_to_head_has_no_body() -> None:
    """Its fields are those of the answer to GET."""
    _, to_get, body = split(b"".join(answer("0f1e", Failure(OVERLOADED), "GET")))
    _, to_head, nothing = split(b"".join(answer("0f1e", Failure(OVERLOADED), "HEAD")))

    assert nothing == b"" != body
    assert [line for line in to_head if "Date" not in line] == [line for line in to_get if "Date" not in line]


def test_answer_says_when_trying_again_helps() -> None:
    """RFC 9110 section 10.2.3."""
    _, lines, _ = split(b"".join(answer("0f1e", Failure(OVERLOADED), "GET")))
    _, others, _ = split(b"".join(answer("0f1e", Failure(HEAD_TIMEOUT), "GET")))

    assert "Retry-After: 1" in lines
    assert not any(line.startswith("Retry-After") for line in others)
