"""Requests of the gateway's own that bring something somewhere: one body up, a short answer back."""

from typing import NamedTuple

from gateway.exchange.callers import Place
from gateway.exchange.message import Fields, Reply
from gateway.exchange.route import TlsToUpstream, Upstream
from gateway.upstream.opening import Opener
from gateway.upstream.own_questions import answer_to

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
    lines = [("User-Agent", "slowgate"), ("Accept-Encoding", "identity"), *fields]
    return _read(answer_to(opener, "post", place.endpoint, place.target, lines, body=body, fresh=False))


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
