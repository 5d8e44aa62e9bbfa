"""Byte order marks at the start of a body, behind pings."""

import pytest
from support.exchanges import ListedChunks, a_route, an_exchange

from gateway.exchange.route import Stream
from gateway.exchange.wire import Wire
from gateway.policy.mark_behind_pings import BehindPings, hooks

MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("chunks", "pings", "body"),
    [
        ([MARK + b"data: 1\n"], 1, b"data: 1\n"),
        ([b"\xef", b"\xbb", b"\xbf", b"data: 1\n", MARK], 2, b"data: 1\n" + MARK),
        ([MARK + b"data: 1\n"], 0, MARK + b"data: 1\n"),
        ([b"\xef", b"x", b"y"], 1, b"\xefxy"),
        ([b"\xef\xbb"], 1, b"\xef\xbb"),
        ([MARK], 1, b""),
        ([], 1, b""),
    ],
)
def test_mark_goes_only_where_a_ping_went_out_before_it(chunks: list[bytes], pings: int, body: bytes) -> None:
    """All other octets stay, whatever the pieces are."""
    exchange = an_exchange()
    exchange.pings = pings

    found = list(BehindPings(exchange, ListedChunks(*chunks)))

    assert b"".join(found) == body


@pytest.mark.parametrize("first", [b"\xef", b""])
def test_chunk_that_waits_is_told_of(first: bytes) -> None:
    """Else its upstream would seem to be silent, and who takes what is ready would wait for what is not."""
    found = iter(BehindPings(an_exchange(), ListedChunks(first, first, b"x")))

    assert next(found) == b""


def test_streams_without_pings_are_left_alone() -> None:
    """Also those of a route with pings into which none can be put."""
    route, exchange, chunks = a_route(), an_exchange(), ListedChunks()
    assert hooks(route).stage is None

    object.__setattr__(route, "stream", Stream(format="sse", keepalive=1.0))
    stage = hooks(route).stage
    assert stage is not None and stage(exchange, chunks) is chunks
    exchange.wire = Wire("sse", lambda: True)
    staged = stage(exchange, chunks)
    assert staged is not chunks and not staged.ready()
    staged.close()
    assert chunks.closed == 1
