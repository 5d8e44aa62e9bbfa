"""Look into bodies that have a content coding: decode a copy on the side, and let another format watch that.

What goes on to the client stays as it came. Nothing may be put into such a body.
"""

import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from gateway.exchange.marks import Format

try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
except ImportError:
    try:
        from backports import zstd  # type: ignore[import-not-found,unused-ignore,no-redef]
    except ImportError:
        zstd = None

PIECE_BYTES: Final = 65536
"""Decoded octets that are held at once."""
MOST_DECODED_BYTES: Final = 16 * 1024 * 1024
"""Octets that one chunk may decode to; beyond it the rest of the body is not watched."""
LARGEST_WINDOW_LOG = 23
"""Of zstd: eight MiB, the most that an HTTP sender may use (RFC 9659)."""


class Decoder(Protocol):
    """Decodes one member (gzip) or frame (zstd)."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decode(self, data: bytes) -> bytes:
        """Return up to `PIECE_BYTES` more; called with nothing, those that are still held."""


class _Inflate:
    """One run of zlib: of gzip (RFC 1952), zlib (RFC 1950) or raw deflate (RFC 1951)."""

    def __init__(self, window_bits: int) -> None:
        self._inflate = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decode(self, data: bytes) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, PIECE_BYTES)


class _Zstd:
    """One frame of zstd (RFC 8878)."""

    def __init__(self) -> None:
        self._zstd: Any = zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW_LOG}
        )

    @property
    def eof(self) -> bool:
        return bool(self._zstd.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._zstd.unused_data)

    def decode(self, data: bytes) -> bytes:
        return bytes(self._zstd.decompress(data, max_length=PIECE_BYTES))


_Start = Callable[[bytes], Decoder]
_CODINGS: Final[dict[str, tuple[_Start, bytes]]] = {
    "gzip": (lambda _: _Inflate(16 + zlib.MAX_WBITS), b"\x1f"),
    "x-gzip": (lambda _: _Inflate(16 + zlib.MAX_WBITS), b"\x1f"),
    "deflate": (lambda start: _Inflate(zlib.MAX_WBITS if _is_zlib(start) else -zlib.MAX_WBITS), b""),
}
"""What begins to decode, by the first two octets; and the octets that another member may begin with."""
_DAMAGE: tuple[type[Exception], ...] = (zlib.error,)
if zstd is not None:
    _CODINGS["zstd"] = (lambda _: _Zstd(), b"\x28" + bytes(range(0x50, 0x60)))
    _DAMAGE = (zlib.error, zstd.ZstdError)


def _is_zlib(start: bytes) -> bool:
    """Tell whether a zlib header stands there. Some send raw deflate under that name, and all clients bear it."""
    return start[0] & 15 == 8 and int.from_bytes(start, "big") % 31 == 0


def decodable(coding: str) -> bool:
    """Tell whether a body with this one content coding can be looked into."""
    return coding in _CODINGS


class Coded:
    """Decodes what another format watches. The marks are those of the decoded octets, except ``boundary``.

    What follows the end of the coding, and begins no other member of it, is ignored, as clients do.
    """

    def __init__(self, inner: Format, coding: str) -> None:
        self.marks = inner.marks
        self.marks.boundary = False
        self._inner = inner
        self._coding = coding
        self._start, self._further = _CODINGS[coding]
        self._head = b""  # too few octets to tell how to decode
        self._decoder: Decoder | None = None
        self._some = False
        self._over: str | None = None  # why nothing more is decoded

    def feed(self, data: bytes) -> None:
        """See `Format`."""
        if self._over is not None:
            return
        try:
            self._decode(data)
        except _DAMAGE:
            self._over = f"the {self._coding} data is damaged"
            self.marks.malformed = self.marks.malformed or self._over
        self.marks.boundary = False

    def end(self) -> str | None:
        """See `Format`. The coding must have come to its own end, with the check that it holds."""
        if self._over:
            return self._over
        if self._decoder is not None or self._head:
            return f"the {self._coding} data did not end"
        return self._inner.end()

    def _decode(self, data: bytes) -> None:
        room = MOST_DECODED_BYTES
        while True:
            if self._decoder is None:
                data = self._begun(data)
                if self._decoder is None:
                    return
            if room < 0:
                self._over = self.marks.unwatched = f"one chunk holds over {MOST_DECODED_BYTES >> 20} MiB once decoded"
                return
            piece = self._decoder.decode(data)
            data = b""
            self._inner.feed(piece)
            room -= len(piece)
            if self._decoder.eof:
                data = self._decoder.unused_data
                self._decoder = None
            elif len(piece) < PIECE_BYTES:
                return

    def _begun(self, data: bytes) -> bytes:
        """Begin a member, where enough has come to do so; return what it begins with."""
        data = self._head + data
        self._head = b""
        if self._some and data and data[0] not in self._further:
            self._over = ""  # nothing is amiss, and nothing more to decode
        elif len(data) < 2:
            self._head = data
        else:
            self._some = True
            self._decoder = self._start(data[:2])
        return data
