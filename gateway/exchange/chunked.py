"""The chunked coding, decoded strictly and incrementally (RFC 9112 section 7.1). Pure: octets in, content out.

Strict means that no two readers can differ about it: sizes are hex digits only, lines end in CRLF, data is followed by
CRLF exactly, no control octet stands in a line, and a trailer is a field line (RFC 9112 section 5). Extensions and
trailers are read, bounded and dropped.
"""

import re

MAX_SIZE_LINE_OCTETS = 8 * 1024
"""A chunk's size with its extensions."""
MAX_SIZE_DIGITS = 15
"""Whatever they say is a positive number for every reader that counts in 64 bits, signed or not."""
MAX_TRAILER_OCTETS = 64 * 1024
_LARGE_OCTETS = 4 * 1024
"""From here on data is copied once, when it is joined."""
_RUN_OCTETS = 16 * 1024
"""Chunks of one size, from here on, are a run: they can be read without copying them (`scattered`)."""
_HEX_DIGITS = b"0123456789abcdefABCDEF"
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*")


class ChunkedDecoder:
    """Decodes one body. Feed it until it is ``over``: at its end, or where it is ``broken``.

    Three places to be in: inside a chunk (``_left`` > 0 octets of data to come, then its CRLF), before a size line,
    or in the trailer section, whose empty line ends the body. What cannot be judged yet waits in ``_held``.
    """

    __slots__ = ("_held", "_left", "_trailer_octets", "broken", "over", "rest", "run")

    def __init__(self) -> None:
        self._held = b""
        self._left = 0
        """Octets to come of the present chunk: its data and the CRLF after it."""
        self._trailer_octets = -1
        """Octets of the trailer section so far; -1 before the last chunk."""
        self.over = False
        """Whether there is nothing more to decode."""
        self.broken: str | None = None
        """What is wrong with the coding; all content before that place was returned."""
        self.rest = b""
        """What came behind the body's end."""
        self.run = b""
        """The size of the last chunk as it was written, where that was a large one: the next may be like it."""

    def feed(self, data: bytes) -> bytes:
        """Take octets as they arrived; return the content among them in one piece. Not to be called once over."""
        end = len(data)
        if self._held:
            data = self._held + data
            self._held = b""
            end = len(data)
        elif end < _RUN_OCTETS and not self._left and self._trailer_octets < 0:
            # An event is nearly always one chunk, which comes by itself and whole.
            stop = data.find(b"\r\n", 0, MAX_SIZE_DIGITS + 2)
            digits = data[:stop] if stop > 0 else b"?"
            if not digits.strip(_HEX_DIGITS) and int(digits, 16) == end - stop - 4 > 0 and data.endswith(b"\r\n"):
                return data[stop + 2 : -2]
        view: memoryview | None = None
        pieces: list[bytes | memoryview] = []
        at = 0
        while at < end and not self.over:
            if self._left:
                at = self._data(data, at, end, pieces)
            elif self._trailer_octets >= 0:
                at = self._trailer_line(data, at)
            else:
                # Nearly every size line is a few digits and has come whole; what is not takes the slow way.
                stop = data.find(b"\r\n", at, at + MAX_SIZE_DIGITS + 2)
                digits = data[at:stop] if stop > at else b"?"
                if digits.strip(_HEX_DIGITS):
                    at = self._size_line(data, at)
                    continue
                at = stop + 2
                left = self._begin(int(digits, 16))
                self.run = digits if left > _RUN_OCTETS else b""
                stop = at + left
                if left and stop <= end and data[stop - 2 : stop] == b"\r\n":
                    if left < _LARGE_OCTETS:
                        pieces.append(data[at : stop - 2])
                    else:
                        view = view or memoryview(data)
                        pieces.append(view[at : stop - 2])
                    self._left = 0
                    at = stop
        if self.over and at < end:
            self.rest = data[at:]
        if len(pieces) == 1 and isinstance(pieces[0], bytes):
            return pieces[0]
        return b"".join(pieces)

    @property
    def left(self) -> int:
        """Octets to come of the present chunk, its data and the CRLF after it; 0 before a size line."""
        return self._left

    def in_run(self) -> bool:
        """Whether what comes next can be guessed: more of a large chunk, or one more of the same size."""
        return bool(self.run) and not self._held and self._trailer_octets < 0

    def go_on(self, left: int, data: bytes = b"") -> None:
        """Go on behind what was read past it: ``left`` octets of a chunk's data with its CRLF before, then ``data``."""
        self._left = left
        if data:
            self.feed(data)

    @property
    def whole(self) -> bool:
        """Whether the body came to its own end."""
        return self.over and self.broken is None

    @property
    def place(self) -> str:
        """Where decoding stands, for whoever must say where a body was cut."""
        if self._trailer_octets >= 0:
            return "in its trailer section"
        return "inside a chunk" if self._left else "before the last chunk"

    def _data(self, data: bytes, at: int, end: int, pieces: list[bytes | memoryview]) -> int:
        """Take the data of a chunk, and the CRLF after it, as far as they came; return where the next thing begins."""
        content = min(self._left - 2, end - at)
        if content:
            whole = content < _LARGE_OCTETS or content == len(data)
            pieces.append(data[at : at + content] if whole else memoryview(data)[at : at + content])
            self._left -= content
            at += content
        if self._left > 2 or at == end:
            return at
        ending = data[at : at + 2]
        if ending == b"\r\n":
            self._left = 0
        elif ending == b"\r":
            self._held = ending
        else:
            self._break("a chunk is not followed by CRLF")
        return at + len(ending)

    def _begin(self, size: int) -> int:
        """Begin a chunk of ``size`` octets; the last one has none. Return how many octets are to come of it."""
        if size:
            self._left = size + 2
        else:
            self._trailer_octets = 0
        return self._left

    def _size_line(self, data: bytes, at: int) -> int:
        """Read a chunk's size line at ``at``; return where the next thing begins."""
        line, after = self._line(data, at, MAX_SIZE_LINE_OCTETS)
        if line is None:
            return after
        size, extended, _ = line.partition(b";")
        if extended:
            size = size.rstrip(b" \t")
        if not size or size.strip(_HEX_DIGITS) or len(size) > MAX_SIZE_DIGITS:
            self._break("a chunk's size is not a hexadecimal number")
            return after
        self._begin(int(size, 16))
        self.run = b""
        return after

    def _trailer_line(self, data: bytes, at: int) -> int:
        line, after = self._line(data, at, MAX_TRAILER_OCTETS - self._trailer_octets)
        if line is None:
            return after
        self._trailer_octets += after - at
        if not line:
            self.over = True
        elif _TRAILER.fullmatch(line) is None:
            self._break("a trailer is not a field line")
        return after

    def _line(self, data: bytes, at: int, limit: int) -> tuple[bytes | None, int]:
        """Return the line at ``at`` and where the next one begins; None for a line still incomplete, or refused."""
        end = data.find(b"\r\n", at, at + limit + 2)
        line = data[at : end if end >= 0 else at + limit + 2]
        body = line[:-1] if end < 0 and line.endswith(b"\r") else line
        if _CONTROL.search(body):
            self._break("a control octet stands in a line of the chunked coding")
        elif end >= 0:
            return line, end + 2
        elif len(body) > limit:
            self._break(f"a line of the chunked coding is longer than {limit} octets")
        else:
            self._held = line
        return None, len(data)

    def _break(self, why: str) -> None:
        self.over = True
        self.broken = why
