"""Let a route's format watch what its upstream sends. The octets pass as they are."""

from collections.abc import Callable, Iterator

from gateway.exchange.exchange import Exchange
from gateway.exchange.marks import Format
from gateway.exchange.message import Chunks, Reply
from gateway.exchange.wire import Wire
from gateway.formats.choose import choose


def watched(exchange: Exchange, reply: Reply, clock: Callable[[], float]) -> None:
    """Put a watch on the body of an upstream's reply, where the route asks for one and there is something to watch."""
    exchange.marks = exchange.wire = exchange.unwatched = exchange.first_frame_at = None
    route = exchange.route
    if route is None or route.stream.format is None or exchange.request.method == "HEAD":
        return
    found = choose(route.stream.format, reply.head, route.stream.terminal)
    if isinstance(found, str):
        exchange.unwatched = found
        return
    exchange.marks = marks = found.marks
    exchange.wire = Wire(marks.format, lambda: marks.boundary)
    reply.chunks = Watched(exchange, reply.chunks, found, clock)


class Watched:
    """The chunks of a body, each shown to its format before it goes on."""

    __slots__ = ("_chunks", "_clock", "_exchange", "_format")

    def __init__(self, exchange: Exchange, chunks: Chunks, format: Format, clock: Callable[[], float]) -> None:
        self._exchange = exchange
        self._chunks = chunks
        self._format = format
        self._clock = clock

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks as they come."""
        feed, marks, exchange = self._format.feed, self._format.marks, self._exchange
        chunks = iter(self._chunks)
        for chunk in chunks:
            feed(chunk)
            yield chunk
            if marks.meaningful:
                break
        if marks.meaningful:
            exchange.first_frame_at = self._clock()
        for chunk in chunks:
            feed(chunk)
            yield chunk

    def ready(self) -> bool:
        """See `Chunks`."""
        return self._chunks.ready()

    def close(self) -> None:
        """See `Chunks`."""
        self._chunks.close()
