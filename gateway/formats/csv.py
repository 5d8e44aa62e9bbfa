"""Comma-separated values (RFC 4180): records, also with line breaks within quotes. Nothing of a record is kept."""

from typing import Final

from gateway.exchange.marks import Marks

# Tables with other separators are about, too.
_BEFORE_QUOTE: Final = b",;\t|\n"
_AFTER_QUOTE: Final = b",;\t|\r\n"
_BLANK: Final = (b"", b"\r")
_OUTSIDE, _INSIDE, _AT_QUOTE = range(3)
"""Of quotes; after a quote within them, which ends them unless another follows."""


class Csv:
    """Watches records. A record is whole when its line break has come; blank lines are none.

    The first one is taken for the header: a frame, but none that carries some of the answer.
    """

    def __init__(self) -> None:
        self.marks = Marks("csv")
        self._where = _OUTSIDE
        self._last = _BEFORE_QUOTE[-1]  # the octet before, where that was outside of quotes
        self._start = b""  # the first two octets of the record under way
        self._octets = 0
        self._silent = 0  # octets of blank lines

    def feed(self, data: bytes) -> None:
        """See `Format`."""
        quote = False
        for part in data.split(b'"'):
            if quote:
                self._quote()
            quote = True
            if part:
                self._text(part)
        self._octets += len(data)
        marks = self.marks
        marks.meaningful = max(0, marks.frames - 1)
        marks.boundary = self._at_boundary()
        marks.progress_bytes = self._octets - self._silent - (len(self._start) if self._start in _BLANK else 0)

    def end(self) -> str | None:
        """See `Format`. RFC 4180 lets the last line break be left out, but then a cut would look the same."""
        return None if self._at_boundary() else "the last record has no line break"

    def _at_boundary(self) -> bool:
        return self._where == _OUTSIDE and not self._start

    def _stray(self) -> None:
        marks = self.marks
        marks.malformed = marks.malformed or f"record {marks.frames + 1} has a stray quote"

    def _quote(self) -> None:
        if self._where == _OUTSIDE:
            self._start = (self._start + b'"')[:2]
            if self._last in _BEFORE_QUOTE:
                self._where = _INSIDE
            else:
                self._last = b'"'[0]
                self._stray()
        else:
            self._where = _AT_QUOTE if self._where == _INSIDE else _INSIDE

    def _text(self, part: bytes) -> None:
        """Take octets that are no quotes."""
        if self._where == _INSIDE:
            return
        if self._where == _AT_QUOTE:
            self._where = _OUTSIDE
            if part[0] not in _AFTER_QUOTE:
                self._stray()
        self._last = part[-1]
        lines = part.split(b"\n")
        lines[0] = self._start + lines[0]
        self._start = lines.pop()[:2]
        if lines:
            empty, only_cr = lines.count(b""), lines.count(b"\r")
            self._silent += empty + 2 * only_cr
            self.marks.frames += len(lines) - empty - only_cr
