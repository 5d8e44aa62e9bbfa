"""End a stream that broke with an error in its own format, where the client can read one (`on_error = "frame"`).

A frame can only stand behind whole frames, in a body without a Content-Length, under a head that has gone out, and for
a client that is there and was not told an error already. Everywhere else the stream is cut, as without this policy.
The frame ends the body politely; the exchange has failed all the same, with the outcome that the cut would have had.

Writing the frame is bounded by `timeouts.write` alone, for an interruption has ended all deadlines: a client that
takes nothing, or has left, is found by the write itself.
"""

from collections.abc import Iterator

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CLIENT_GONE, CLIENT_STALLED, UPLOAD_CUT, Failure, FailureError, Interruption
from gateway.exchange.message import Chunks
from gateway.exchange.route import Route
from gateway.formats.error_frame import FRAMED as FRAMED
from gateway.formats.error_frame import error_frame
from gateway.policy.hooks import Hooks

ACTS_ON = ("stream.on_error",)
"""The settings that decide what it does, as a route sees them."""

_NOBODY_THERE = frozenset({CLIENT_GONE, CLIENT_STALLED, UPLOAD_CUT})
"""Failures behind which nobody would read a frame."""


def frame_for(exchange: Exchange, failure: Failure) -> bytes | None:
    """Return the frame that may end what went out so far; None where it must be cut."""
    wire, marks, reply = exchange.wire, exchange.marks, exchange.reply
    if wire is None or reply is None or (exchange.committed_at is None and not exchange.early):
        return None
    first = exchange.failure or failure
    if failure.kind in _NOBODY_THERE or first.kind in _NOBODY_THERE or (marks is not None and marks.error is not None):
        return None
    # What the client was promised counts: a stage may have taken the length of what the upstream sends off the head.
    if reply.head.first("content-length") is not None or not wire.boundary():
        return None
    return error_frame(wire.format, failure, exchange.id)


class Framed:
    """The chunks of a body, and an error frame in place of the failure they end with."""

    __slots__ = ("_chunks", "_exchange")

    def __init__(self, exchange: Exchange, chunks: Chunks) -> None:
        self._exchange = exchange
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks. Raises what ends them where it cannot be told in a frame."""
        try:
            yield from self._chunks
        except (FailureError, Interruption) as error:
            frame = frame_for(self._exchange, error.failure)
            if frame is None:
                raise
            self._exchange.fail(error.failure)
            self._chunks.close()  # The upstream is let go before the client, who may be slow, has read the frame.
            yield frame

    def ready(self) -> bool:
        """See `Chunks`."""
        return self._chunks.ready()

    def close(self) -> None:
        """See `Chunks`."""
        self._chunks.close()


def hooks(route: Route) -> Hooks:
    """Stand in the streams of a route that asks for it."""
    if route.stream.on_error != "frame" or route.stream.format is None:
        return Hooks()
    return Hooks(stage=lambda exchange, chunks: chunks if exchange.wire is None else Framed(exchange, chunks))
