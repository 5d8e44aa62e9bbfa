"""Requests of the gateway's own about callers: the keys of an issuer, and what an external check thinks."""

from gateway.exchange.callers import Place
from gateway.exchange.failure import FailureError
from gateway.exchange.message import Fields, Reply, ReplyHead
from gateway.exchange.route import TlsToUpstream, Upstream
from gateway.upstream.opening import Opener
from gateway.upstream.own_questions import answer_to

MOST_OCTETS = 512 * 1024
"""Of a body that is read; no set of keys is larger."""
_MOST_DISCARDED_OCTETS = 16 * 1024
"""Of a body nobody wants, read so that its connection can be used again."""
_AGENT = ("User-Agent", "slowgate")


def upstream_of(place: Place) -> Upstream:
    """Return the service that ``place`` is at, for an `Opener` of its own."""
    return Upstream("callers", (place.endpoint,), tls=TlsToUpstream(ca=place.ca, ca_digest=place.ca_digest))


def fetched(opener: Opener, place: Place) -> bytes:
    """Return what is at ``place``: at most `MOST_OCTETS` octets of a 200.

    Raises ValueError with a sentence that says why there is nothing to return. The deadline is the caller's.
    """
    fields: Fields = [_AGENT, ("Accept", "application/json"), ("Accept-Encoding", "identity")]
    try:
        reply = answer_to(opener, "callers", place.endpoint, place.target, fields)
        try:
            if reply.head.status != 200:
                raise ValueError(f"status {reply.head.status}")
            if reply.head.first("content-encoding") not in (None, "identity"):
                raise ValueError("the answer is compressed")
            return _whole(reply)
        finally:
            reply.chunks.close()
    except FailureError as error:
        raise ValueError(str(error.failure)) from error


def consulted(opener: Opener, place: Place, fields: Fields) -> ReplyHead:
    """Return the head of the answer to a GET with ``fields``; raise ``FailureError`` where there is none.

    The deadline is the caller's, and comes as an exception thrown into the wait.
    """
    reply = answer_to(opener, "callers", place.endpoint, place.target, [_AGENT, *fields], fresh=False)
    try:
        if reply.chunks.ready() and reply.length is not None and reply.length <= _MOST_DISCARDED_OCTETS:
            for _ in reply.chunks:
                pass
    finally:
        reply.chunks.close()
    return reply.head


def _whole(reply: Reply) -> bytes:
    octets = bytearray()
    for chunk in reply.chunks:
        octets += chunk
        if len(octets) > MOST_OCTETS:
            raise ValueError(f"the answer is larger than {MOST_OCTETS} octets")
    return bytes(octets)
