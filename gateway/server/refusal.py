"""Requests that could not be read: what was wrong, as a failure, and the answer that says so.

Such a request never becomes an exchange. Where its framing is in doubt the connection ends behind the answer.
"""

from collections.abc import Iterator
from email.utils import formatdate

from gunicorn.http import errors

from gateway.exchange.failure import (
    BAD_REQUEST,
    CODING_UNSUPPORTED,
    EXPECTATION_FAILED,
    FIELDS_TOO_LARGE,
    TARGET_TOO_LONG,
    VERSION_UNSUPPORTED,
    Failure,
    Kind,
)
from gateway.exchange.problem import problem

_KINDS: tuple[tuple[type[Exception], Kind, str], ...] = (
    (errors.LimitRequestLine, TARGET_TOO_LONG, "the request line is longer than [server] max_request_line"),
    (errors.LimitRequestHeaders, FIELDS_TOO_LARGE, "the header fields exceed the limits in [server]"),
    (errors.InvalidHTTPVersion, VERSION_UNSUPPORTED, "only HTTP/1.0 and HTTP/1.1 are served"),
    (errors.UnsupportedTransferCoding, CODING_UNSUPPORTED, "only the chunked transfer coding is served"),
    (errors.ExpectationFailed, EXPECTATION_FAILED, "only the expectation 100-continue is served"),
    (errors.InvalidRequestLine, BAD_REQUEST, "the request line is not valid"),
    (errors.InvalidRequestMethod, BAD_REQUEST, "the method is not a token"),
    (errors.ObsoleteFolding, BAD_REQUEST, "a field line begins with white space"),
    (errors.InvalidHeaderName, BAD_REQUEST, "a field name is not a token"),
    (errors.InvalidHeader, BAD_REQUEST, "a header field, or the framing it announces, is not valid"),
)


def failure_of(error: Exception) -> Failure | None:
    """Return what was wrong with a request the parser refused; None if it was not the request."""
    for kind_of_error, kind, detail in _KINDS:
        if isinstance(error, kind_of_error):
            return Failure(kind, detail)
    return None


def answer(exchange_id: str, failure: Failure, method: str) -> Iterator[bytes]:
    """Yield the octets of the whole answer, head and problem document; only the head to a request with HEAD."""
    reply = problem(exchange_id, failure, None, method)
    lines = [f"HTTP/1.1 {reply.head.status} {reply.head.reason}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in reply.head.fields]
    lines.append(f"Date: {formatdate(usegmt=True)}\r\nConnection: close\r\n\r\n")
    yield "".join(lines).encode("latin-1")
    yield from reply.chunks
