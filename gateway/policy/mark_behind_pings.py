"""Take off a byte order mark behind a ping: it belongs at the very start of a stream, and there a ping stands already.

Anywhere else a reader takes it for a part of the first field's name, or of the first value, and loses an event.
"""

from collections.abc import Iterator

from gateway.exchange.exchange import Exchange
from gateway.exchange.message import Chunks
from gateway.exchange.route import Route
from gateway.policy.hooks import Hooks

_MARK = b"\xef\xbb\xbf"

ACTS_ON = ("stream.keepalive",)
"""The settings that decide what it does, as a route sees them."""


def hooks(route: Route) -> Hooks:
    """Stand in the streams of a route that has pings."""
    if route.stream.keepalive is None:
        return Hooks()

    def stage(exchange: Exchange, chunks: Chunks) -> Chunks:
        return chunks if exchange.wire is None else BehindPings(exchange, chunks)

    return Hooks(stage=stage)


class BehindPings:
    """The chunks of a body, without a mark at its start where a ping went out before."""

    __slots__ = ("_chunks", "_exchange")

    def __init__(self, exchange: Exchange, chunks: Chunks) -> None:
        self._exchange = exchange
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks as they come; of the first octets up to two may wait for what follows them.

        ``b""`` goes on in place of what waits, for a chunk that came is an end of the upstream's silence.
        """
        chunks = iter(self._chunks)
        held = b""
        for chunk in chunks:
            held += chunk
            if len(held) >= len(_MARK) or not _MARK.startswith(held):
                break
            yield b""
        if self._exchange.pings:
            held = held.removeprefix(_MARK)
        if held:
            yield held
        yield from chunks

    def ready(self) -> bool:
        """See `Chunks`."""
        return self._chunks.ready()

    def close(self) -> None:
        """See `Chunks`."""
        self._chunks.close()
