"""NDJSON read line by line: one JSON value each."""

from collections.abc import Iterator
from typing import Any

from gateway.formats.conversion.fault import FRAME_LIMIT_BYTES, malformed, too_large, unfinished
from gateway.formats.conversion.strict_json import Number, one_line, parse

_BLANKS = b" \t\r"


class LineReader:
    """Yields the text of each value, on one line, and what it holds. Blank lines are skipped: they are pings."""

    __slots__ = ("_held", "_line")

    def __init__(self) -> None:
        self._held = bytearray()
        self._line = 1

    def feed(self, data: bytes) -> Iterator[tuple[bytes, Any]]:
        """Yield what became whole."""
        *ended, last = data.split(b"\n")
        for piece in ended:
            self._hold(piece)
            line = bytes(self._held.strip(_BLANKS))
            self._held.clear()
            if line:
                yield self._read(line)
            self._line += 1
        self._hold(last)

    def end(self) -> Iterator[tuple[bytes, Any]]:
        """Yield the last line where only its line feed is missing, which a number could not tell."""
        line = bytes(self._held.strip(_BLANKS))
        if not line:
            return
        try:
            value = parse(line)
        except ValueError:
            value = Number()
        if isinstance(value, Number):
            raise unfinished(f"line {self._line}", "the body ends within it")
        yield one_line(line), value

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._held += piece
            if len(self._held) > FRAME_LIMIT_BYTES:
                raise too_large(f"line {self._line}")

    def _read(self, line: bytes) -> tuple[bytes, Any]:
        try:
            value = parse(line)
        except ValueError as error:
            raise malformed(f"line {self._line}", str(error)) from None
        return one_line(line), value
