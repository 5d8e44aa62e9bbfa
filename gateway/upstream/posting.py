"""Requests of the gateway's own that bring something somewhere: one body up, a short answer back."""

from typing import NamedTuple

from gateway.exchange.attempt import Attempt
from gateway.exchange.callers import Place
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import FailureError
from gateway.exchange.message import Fields, Reply, RequestHead
from gateway.exchange.route import TlsToUpstream, Upstream
from gateway.upstream.checking import Unwatched
from gateway.upstream.opening import Opener
from gateway.upstream.token import FixedUpload

_MOST_ANSWER_OCTETS = 64 * 1024


class Answer(NamedTuple):
    """What came back."""

    status: int
    retry_after: str | None
    body: bytes
    """At most 64 KiB of it."""


def posting_opener(place: Place) -> Opener:
    """Return what opens requests to ``place``. Raises ValueError where its authorities cannot be used."""
    return Opener(Upstream("receiver", (place.endpoint,), tls=TlsToUpstream(ca=place.ca, ca_digest=place.ca_digest)))


def posted(opener: Opener, place: Place, fields: Fields, body: bytes) -> Answer:
    """Send ``body`` to ``place`` by POST; return the answer. Raises ``FailureError`` where there is none.

    A body that came twice must do no harm: where a kept connection was closed just then, it is sent once more. The
    deadline is the caller's, and comes as an exception thrown into the wait.
    """
    endpoint = place.endpoint
    lines = [("Host", endpoint.authority), ("User-Agent", "slowgate"), ("Accept-Encoding", "identity"), *fields]
    for fresh in (False, True):
        head = RequestHead("POST", place.target, (1, 1), [], endpoint.scheme, endpoint.authority, "", 0, len(body))
        attempt = Attempt(endpoint, place.target, lines, fresh=fresh)
        exchange = Exchange("post", head, 0.0, upload=FixedUpload(body))
        try:
            return _read(opener.open(exchange, attempt, Unwatched()))
        except FailureError:
            if fresh or not attempt.reused or attempt.answered:
                raise
    raise AssertionError("the last attempt returns or raises")


def _read(reply: Reply) -> Answer:
    octets = bytearray()
    try:
        for chunk in reply.chunks:
            octets += chunk
            if len(octets) > _MOST_ANSWER_OCTETS:
                break
    finally:
        reply.chunks.close()
    return Answer(reply.head.status, reply.head.first("retry-after"), bytes(octets[:_MOST_ANSWER_OCTETS]))
