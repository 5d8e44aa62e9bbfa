"""The body that the server iterates: however it ends, the exchange ends with it; heads pass unchanged."""

from collections.abc import Iterator

import pytest
from support.exchanges import a_route, an_exchange
from support.wsgi import ServedRequest, Started, environ_of

from gateway.downstream.answer import ExactResponse, Stream
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CLIENT_STALLED, Failure
from gateway.exchange.message import ReplyHead
from gateway.exchange.route import Timeouts


class Streaming:
    """A stream over two chunks; ``events`` says what was closed and finished."""

    def __init__(self, exchange: Exchange | None = None, closing: Exception | None = None) -> None:
        self.events: list[str] = []
        self.exchange = exchange or an_exchange(route=a_route())
        self._closing = closing
        self.stream = Stream(self.exchange, self._chunks(), lambda exchange: self.events.append("finished"))

    def _chunks(self) -> Iterator[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            self.events.append("body closed")
            if self._closing is not None:
                raise self._closing


def test_stream_is_its_chunks_and_its_close_ends_the_exchange() -> None:
    """The exchange ends when the server has done with the stream, not before."""
    streaming = Streaming()
    assert list(streaming.stream) == [b"one", b"two"]
    assert streaming.events == ["body closed"]

    streaming.stream.close()

    assert streaming.events == ["body closed", "finished"]


@pytest.mark.parametrize("taken", [0, 1])
def test_stream_that_is_left_early_ends_the_exchange_too(taken: int) -> None:
    """Also where iteration never began (F3)."""
    streaming = Streaming()
    for _, _ in zip(range(taken), streaming.stream, strict=False):
        pass

    streaming.stream.close()

    assert streaming.events == ["body closed"] * taken + ["finished"]


def test_body_that_breaks_when_closed_still_ends_the_exchange() -> None:
    """What was acquired is given back, whatever else goes wrong."""
    streaming = Streaming(closing=RuntimeError("it does not close"))
    next(iter(streaming.stream))

    with pytest.raises(RuntimeError):
        streaming.stream.close()

    assert streaming.events == ["body closed", "finished"]


def test_server_may_say_why_the_stream_failed() -> None:
    """The client's side is the server's to see."""
    streaming = Streaming()
    streaming.stream.failed(Failure(CLIENT_STALLED))

    assert streaming.exchange.failure == Failure(CLIENT_STALLED)


def test_every_stream_has_a_limit_for_clients_that_take_nothing() -> None:
    """Also the answer to a request that no route matched: a client that never reads holds nothing for ever."""
    assert Streaming(an_exchange(route=a_route())).stream.write_seconds == Timeouts().write
    assert Streaming(an_exchange(route=None)).stream.write_seconds == Timeouts().write


def test_head_reaches_the_server_unchanged_but_for_hop_by_hop_fields() -> None:
    """Werkzeug would rewrite Location, invent a Content-Type and drop fields of a 304."""
    kept = [
        ("location", "HTTP://EXAMPLE.com/[1]"),
        ("Set-Cookie", "a"),
        ("ETag", '"x"'),
        ("Content-Length", "5"),
        ("Set-Cookie", "b"),
    ]
    fields = [*kept, ("Connection", "X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "5")]
    streaming, started = Streaming(), Started()

    response = ExactResponse(ReplyHead(304, "Not  Modified", fields), streaming.stream)

    assert response(environ_of(ServedRequest()), started) is streaming.stream
    assert started.status == "304 Not  Modified"
    assert started.fields == kept


def test_head_the_server_refuses_ends_the_exchange() -> None:
    """Nobody else got the stream, so nobody else can close it."""
    streaming = Streaming()

    def refuse(status: str, fields: object) -> None:
        raise ValueError("no such head")

    with pytest.raises(ValueError, match="no such head"):
        ExactResponse(ReplyHead(200, "OK", []), streaming.stream)(environ_of(ServedRequest()), refuse)

    assert streaming.events == ["finished"]
