"""Puts a reader of one format and a writer of another together."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from gateway.formats.conversion.csv_rows import RowWriter
from gateway.formats.conversion.errors_in_band import tells_error
from gateway.formats.conversion.fault import UnconvertibleError
from gateway.formats.conversion.json_array import ArrayReader
from gateway.formats.conversion.json_lines import LineReader
from gateway.formats.conversion.sse_events import EventReader, line_of

SOURCES: dict[str, tuple[str, ...]] = {"ndjson": ("sse", "json"), "sse": ("ndjson", "json"), "csv": ("ndjson", "json")}
"""By format that can be made: those it can be made from."""

_BOM = b"\xef\xbb\xbf"


class Reader(Protocol):
    """Octets of any pieces in, whole frames out. Both raise `UnconvertibleError`."""

    def feed(self, data: bytes) -> Iterator[Any]:
        """Yield the frames that became whole; the iterator must be used up."""

    def end(self) -> Iterator[Any]:
        """Yield what the end of the octets made whole."""


class Converter:
    """The conversion of one body. What it returns ends between two frames, always."""

    __slots__ = ("_head", "_reader", "_start", "_write")

    def __init__(self, reader: Reader, write: Callable[[Any], bytes], head: bytes = b"") -> None:
        """``head`` stands before the first frame, and alone where there is none."""
        self._reader = reader
        self._write = write
        self._head = head
        self._start: bytes | None = b""
        """The first octets while they may be those of a byte order mark; None once that is known."""

    def feed(self, data: bytes) -> bytes:
        """Return the frames that became whole, possibly none; raise `UnconvertibleError`."""
        if self._start is not None:
            data = self._start + data
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._start = data
                return b""
            self._start = None
            data = data.removeprefix(_BOM)
        return self._written(self._reader.feed(data))

    def end(self) -> bytes:
        """Return what the end of the octets makes whole; raise `UnconvertibleError` where they end too early."""
        last = b""
        if self._start:
            start, self._start = self._start, None
            last = self._written(self._reader.feed(start))
        last += self._written(self._reader.end())
        head, self._head = self._head, b""
        return head + last

    def _written(self, frames: Iterator[Any]) -> bytes:
        made: list[bytes] = []
        write = self._write
        try:
            for frame in frames:
                made.append(write(frame))
        except UnconvertibleError as error:
            error.before = self._with_head(made)
            raise
        return self._with_head(made)

    def _with_head(self, made: list[bytes]) -> bytes:
        if made and self._head:
            made.insert(0, self._head)
            self._head = b""
        return b"".join(made)


def converter(source: str, target: str, columns: tuple[str, ...] = ()) -> Converter:
    """Return a fresh converter from ``source`` to ``target``; ``columns`` are those of CSV.

    Raises KeyError for a pair that is not in `SOURCES`.
    """
    if source not in SOURCES[target]:
        raise KeyError(source)
    if source == "sse":
        return Converter(EventReader(), line_of)
    reader = LineReader() if source == "ndjson" else ArrayReader()
    if target == "csv":
        rows = RowWriter(columns)
        return Converter(reader, lambda frame: rows.row(frame[1]), rows.header())
    return Converter(reader, _as_line if target == "ndjson" else _as_event)


def _as_line(frame: tuple[bytes, Any]) -> bytes:
    return frame[0] + b"\n"


def _as_event(frame: tuple[bytes, Any]) -> bytes:
    text, value = frame
    return b"event: error\ndata: %b\n\n" % text if tells_error(value) else b"data: %b\n\n" % text
