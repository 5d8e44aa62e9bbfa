"""JSON values, one on each line: newline-delimited JSON, JSON lines."""

from gateway.exchange.marks import Marks
from gateway.formats.in_band import in_band_error
from gateway.formats.parsing import Unread, parsed

LARGEST_LINE_BYTES = 1 << 20
"""Octets of a line that are kept to be looked at; of longer ones only the end is awaited."""

_WHITE = b" \t\r\n"
_OWN_ENDS = b'}]"el'
"""How values end that show their end: objects, arrays, texts, true and false, null."""


class Ndjson:
    """Watches lines. Blank ones only keep the connection alive; an object with nothing but ``error`` is an error."""

    def __init__(self) -> None:
        self.marks = Marks("ndjson")
        self._line = bytearray()
        self._octets = 0  # of the line under way
        self._blank = True  # it has only white space so far
        self._counted = 0

    def feed(self, data: bytes) -> None:
        """See `Format`."""
        octets = len(data)
        if not self._octets and 0 < octets <= LARGEST_LINE_BYTES and data.find(b"\n") == octets - 1:
            self._ended(data, octets)  # most chunks are one line: no state is needed
        else:
            self._pieces(data)
        marks = self.marks
        marks.boundary = not self._octets
        marks.progress_bytes = self._counted + (0 if self._blank else self._octets)

    def end(self) -> str | None:
        """See `Format`. The last line may lack its line break, where it is a whole value that shows its own end."""
        if self._blank:
            return None
        line = self._line.rstrip(_WHITE)
        # A number shows no end: of 123 the octets 12 may have come.
        if self._octets > LARGEST_LINE_BYTES or line[-1] not in _OWN_ENDS or isinstance(parsed(bytes(line)), Unread):
            return "the last line did not end"
        self._ended(bytes(line), self._octets)
        self._reset()
        return None

    def _reset(self) -> None:
        self._line.clear()
        self._octets = 0
        self._blank = True

    def _pieces(self, data: bytes) -> None:
        for piece in data.splitlines(True) if b"\r" not in data else _after_each_lf(data):
            self._octets += len(piece)
            self._line += piece[: max(0, LARGEST_LINE_BYTES + 1 - len(self._line))]
            self._blank = self._blank and not piece.strip(_WHITE)
            if piece.endswith(b"\n"):
                self._ended(bytes(self._line), self._octets)
                self._reset()

    def _ended(self, line: bytes, octets: int) -> None:
        """Take a line that has come whole; of one that is longer than what is kept only its beginning."""
        if octets > LARGEST_LINE_BYTES:
            if self._blank:
                return
            self._frame(octets)
            return
        if not line.strip(_WHITE):
            return
        self._frame(octets)
        value = parsed(line)
        marks = self.marks
        if value is Unread.MALFORMED:
            marks.malformed = marks.malformed or f"line {marks.frames} is not JSON"
        elif isinstance(value, dict) and len(value) == 1 and value.get("error"):
            marks.meaningful -= 1
            marks.error = marks.error or in_band_error(value["error"], line.strip(_WHITE))

    def _frame(self, octets: int) -> None:
        self._counted += octets
        self.marks.frames += 1
        self.marks.meaningful += 1


def _after_each_lf(data: bytes) -> list[bytes]:
    """Return the lines with their ends. A CR ends none: it is white space."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
