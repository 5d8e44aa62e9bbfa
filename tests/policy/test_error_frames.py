"""When a stream that broke may end with a frame that says so, and when it must be cut."""

import pytest
from support.exchanges import ListedChunks, a_failure, a_reply, a_route, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    ANSWER_UNFINISHED,
    BODY_CUT,
    CLIENT_GONE,
    CLIENT_STALLED,
    DRAINED,
    IDLE_TIMEOUT,
    INTERNAL,
    TOTAL_TIMEOUT,
    UPLOAD_CUT,
    UPLOAD_TIMEOUT,
    Failure,
    FailureError,
    Interruption,
    Kind,
)
from gateway.exchange.marks import InBandError, Marks
from gateway.exchange.message import Chunks
from gateway.exchange.route import Stream
from gateway.exchange.wire import Wire
from gateway.policy.error_frames import Framed, frame_for, hooks

CUT = Failure(BODY_CUT)


def under_way(format: str = "sse") -> Exchange:
    """Return an exchange whose head has gone out and whose stream is between two frames."""
    exchange = an_exchange(route=a_route(stream=Stream(format=format, on_error="frame")))
    exchange.marks = Marks(format)
    exchange.wire = Wire(format, lambda: True)
    exchange.reply = a_reply()
    exchange.reply.length = None
    exchange.committed_at = 100.0
    return exchange


def read(exchange: Exchange, chunks: Chunks) -> bytes:
    return b"".join(Framed(exchange, chunks))


@pytest.mark.parametrize(
    "broken",
    [
        a_failure(BODY_CUT),
        a_failure(ANSWER_UNFINISHED),
        Interruption(Failure(IDLE_TIMEOUT)),
        Interruption(Failure(TOTAL_TIMEOUT)),
        Interruption(Failure(DRAINED)),
        Interruption(Failure(UPLOAD_TIMEOUT)),
    ],
    ids=str,
)
def test_stream_that_breaks_between_frames_ends_with_one(broken: FailureError | Interruption) -> None:
    """What came, the frame, a polite end; the exchange failed, and its upstream is let go before the frame is read."""
    exchange, chunks = under_way(), ListedChunks(b"data: 1\n\n", broken)
    framed = iter(Framed(exchange, chunks))

    assert next(framed) == b"data: 1\n\n"
    assert next(framed).startswith(b"event: error\ndata: {")
    assert chunks.closed == 1
    assert next(framed, None) is None
    assert exchange.failure is broken.failure


@pytest.mark.parametrize("kind", [CLIENT_GONE, CLIENT_STALLED, UPLOAD_CUT])
def test_nobody_is_told_who_is_not_there(kind: Kind) -> None:
    """A frame for a client that left would only be counted."""
    with pytest.raises(Interruption):
        read(under_way(), ListedChunks(Interruption(Failure(kind))))


def test_stream_that_breaks_inside_a_frame_is_cut() -> None:
    """What was begun cannot be taken back."""
    exchange = under_way()
    exchange.wire = Wire("sse", lambda: False)

    assert frame_for(exchange, CUT) is None


@pytest.mark.parametrize("promised", [True, False])
def test_body_is_cut_where_its_length_was_promised(promised: bool) -> None:
    """Other octets than those would be taken for them. A stage may have taken the upstream's length off the head."""
    exchange = under_way()
    exchange.reply = a_reply(fields=[("Content-Length", "9")] if promised else [])
    exchange.reply.length = 9

    assert (frame_for(exchange, CUT) is None) is promised


def test_client_that_was_told_an_error_is_not_told_another() -> None:
    """The first one is the cause."""
    exchange = under_way()
    assert exchange.marks is not None
    exchange.marks.error = InBandError("overloaded", 529, b"")

    assert frame_for(exchange, CUT) is None


def test_failure_before_the_head_gets_its_status() -> None:
    """A frame under 200 would hide it; behind an early head it is all there is."""
    exchange = under_way()
    exchange.committed_at = None
    assert frame_for(exchange, CUT) is None

    exchange.early = True
    assert frame_for(exchange, CUT) is not None


@pytest.mark.parametrize("format", ["json", "csv", "opaque"])
def test_format_without_frames_is_cut(format: str) -> None:
    """There is no place for an error in it."""
    assert frame_for(under_way(format), CUT) is None


def test_defect_is_no_failure_to_tell() -> None:
    """It is cut and reported where defects are."""
    with pytest.raises(RuntimeError):
        read(under_way(), ListedChunks(b"x", RuntimeError()))
    assert frame_for(under_way(), Failure(INTERNAL)) is not None  # of an upload: known, and written down


def test_whole_stream_passes_as_it_is() -> None:
    """No octet more, and what wraps passes its duties on."""
    exchange, chunks = under_way(), ListedChunks(b"a", b"b", ready=True)
    framed = Framed(exchange, chunks)

    assert (framed.ready(), list(framed)) == (True, [b"a", b"b"])
    framed.close()
    assert (chunks.closed, exchange.failure) == (1, None)


def test_stage_stands_only_where_it_is_asked_for_and_can_act() -> None:
    """A route that cuts pays nothing; nor does a body that nobody watches."""
    assert hooks(a_route()).stage is None
    assert hooks(a_route(stream=Stream(format="sse"))).stage is None
    assert hooks(a_route(stream=Stream(on_error="frame"))).stage is None
    stage = hooks(a_route(stream=Stream(format="sse", on_error="frame"))).stage
    assert stage is not None
    exchange, chunks = under_way(), ListedChunks()
    assert isinstance(stage(exchange, chunks), Framed)
    exchange.wire = None
    assert stage(exchange, chunks) is chunks
