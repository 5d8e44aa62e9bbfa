"""Reads content codings as a browser does: all that the octets so far say, and whether they are the end."""

import sys
import zlib
from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def __call__(self, octets: bytes) -> bytes:
        return self._stream.decompress(octets)

    @property
    def ended(self) -> bool:
        return self._stream.eof and not self._stream.unused_data


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstd.ZstdDecompressor()

    def __call__(self, octets: bytes) -> bytes:
        return self._stream.decompress(octets)

    @property
    def ended(self) -> bool:
        return self._stream.eof and not self._stream.unused_data


Decoder = _Gzip | _Zstd
DECODERS: dict[str, Callable[[], Decoder]] = {"gzip": _Gzip, "zstd": _Zstd}
