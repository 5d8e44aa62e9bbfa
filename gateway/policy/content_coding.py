"""Content codings made piece by piece: whatever goes in can be read by the client as soon as what comes out is there.

The windows are small, so that an open stream costs little memory; what each costs is in docs/streams-compression.md.
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

from gateway.exchange.exchange import Exchange
from gateway.exchange.message import Chunks

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # the same code

CODINGS = ("zstd", "gzip")
PIECE_OCTETS = 64 * 1024
"""The most that is compressed in one go: a large chunk goes out in several pieces, none of which takes long."""

_GZIP_LEVEL = 3
_GZIP_WINDOW_LOG = 13
_GZIP_MEMORY_LEVEL = 6
_AS_GZIP = 16
"""Added to zlib's window it asks for gzip's header and trailer."""
_ZSTD_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.window_log: 14,
    zstd.CompressionParameter.hash_log: 12,
    zstd.CompressionParameter.chain_log: 12,
    zstd.CompressionParameter.checksum_flag: 1,  # As gzip has one: a client can tell that it read what was sent.
}
_FLUSH: Literal[1] = zstd.ZstdCompressor.FLUSH_BLOCK
_LAST: Literal[2] = zstd.ZstdCompressor.FLUSH_FRAME


class Coder(Protocol):
    """One body on its way into a coding."""

    def encode(self, octets: bytes) -> bytes:
        """Return octets from which, behind all before, a client can read ``octets`` to the last one."""

    def end(self) -> bytes:
        """Return what tells the client that nothing is missing. Nothing may follow it."""


class Gzip:
    """The coding ``gzip`` (RFC 1952)."""

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _AS_GZIP + _GZIP_WINDOW_LOG, _GZIP_MEMORY_LEVEL)

    def encode(self, octets: bytes) -> bytes:
        """See `Coder`."""
        return self._stream.compress(octets) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """See `Coder`: the checksum and the length."""
        return self._stream.flush(zlib.Z_FINISH)


class Zstd:
    """The coding ``zstd`` (RFC 8878)."""

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = zstd.ZstdCompressor(options=_ZSTD_OPTIONS)

    def encode(self, octets: bytes) -> bytes:
        """See `Coder`."""
        return self._stream.compress(octets, _FLUSH)

    def end(self) -> bytes:
        """See `Coder`: the last block and the checksum."""
        return self._stream.flush(_LAST)


def coder(coding: str) -> Callable[[], Coder]:
    """Return what makes the coder of one body for one of ``CODINGS``."""
    return Gzip if coding == "gzip" else Zstd


class Coded:
    """The chunks of a body in a coding; each goes out when it has come.

    A body that breaks gets no end: what a client has of it is as incomplete in its coding as in its framing.
    """

    __slots__ = ("_chunks", "_coder", "_exchange")

    def __init__(self, exchange: Exchange, chunks: Chunks, coder: Coder) -> None:
        self._exchange = exchange
        self._chunks = chunks
        self._coder = coder

    def __iter__(self) -> Iterator[bytes]:
        """Yield the coded chunks."""
        exchange, encode, plain = self._exchange, self._coder.encode, 0
        for chunk in self._chunks:
            if not chunk:
                yield chunk  # It says that something came; a coder would make octets of it.
                continue
            if len(chunk) <= PIECE_OCTETS:
                exchange.plain_bytes = plain = plain + len(chunk)
                yield encode(chunk)
                continue
            for at in range(0, len(chunk), PIECE_OCTETS):
                piece = chunk[at : at + PIECE_OCTETS]
                exchange.plain_bytes = plain = plain + len(piece)
                yield encode(piece)
        exchange.plain_bytes = plain
        yield self._coder.end()

    def ready(self) -> bool:
        """See `Chunks`."""
        return self._chunks.ready()

    def close(self) -> None:
        """See `Chunks`."""
        self._chunks.close()
