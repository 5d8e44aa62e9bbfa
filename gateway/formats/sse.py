"""Server-sent events (WHATWG HTML, section 9.2): lines to events, whatever the chunks are."""

from gateway.exchange.marks import Marks

LARGEST_EVENT_BYTES = 1 << 20
"""Octets of an event's data that are kept to be looked at; of longer ones only the structure is followed."""

_BOM = b"\xef\xbb\xbf"
_LF, _CR, _SPACE, _COLON = b"\n\r :"
_ROOM_FOR_FIELD = 16
"""Octets of a line besides its value: the longest name that matters, colon, space and line end."""
_OF_SILENCE, _OF_PROGRESS = 1, 2
"""What the line was that ended in a CR, for the LF that may belong to it."""


class Sse:
    """Watches an event stream. An event that never got its blank line is none, as the standard has it."""

    def __init__(self, terminal: tuple[str, ...] = (), name: str = "sse") -> None:
        """``terminal`` holds ``event:NAME`` and ``data:TEXT``, any of which says that the answer is whole."""
        self.marks = Marks(name)
        self._awaited = terminal
        self._last_names = frozenset(word[6:].strip().encode() for word in terminal if word.startswith("event:"))
        self._last_data = frozenset(word[5:].strip().encode() for word in terminal if word.startswith("data:"))
        self._head: bytes | None = b""  # what may be the beginning of a BOM; None once it is known
        self._between = False  # known to be between two events, with no octet pending: the short way is open
        self._line = bytearray()  # the line that has not ended yet
        self._line_octets = 0
        self._after_cr = 0  # 0 where the last octet was no CR
        self._name = b""
        self._data: list[bytes] = []
        self._data_octets = 0
        self._has_data = False
        self._octets = 0  # of the event under way; 0 where none is
        self._counted = 0

    def feed(self, data: bytes) -> None:
        """See `Format`."""
        if self._between and data.endswith(b"\n\n") and b"\r" not in data:
            # Most chunks are one event as most servers write it: no state is needed.
            last = len(data) - 2
            first = data.find(b"\n")
            start, name = 0, b""
            if first != last and data.startswith(b"event:") and data.find(b"\n", first + 1) == last:
                start, name = first + 1, data[7 if data[6] == _SPACE else 6 : first]
                first = last
            if first == last and data.startswith(b"data:", start):
                self._short(name, data, start, last)
                return
            if data.find(b"\n\n") < last:
                *events, rest = data.split(b"\n\n")
                for event in events:
                    self.feed(event + b"\n\n")
                self._long(rest)
                return
        self._long(data)

    def end(self) -> str | None:
        """See `Format`."""
        if self.marks.terminal:
            return None
        if self._awaited:
            return f"none of the last events came ({', '.join(self._awaited)})"
        return None if self._at_boundary() else "the last event did not end"

    def _short(self, name: bytes, data: bytes, start: int, last: int) -> None:
        """Take an event of one data line, which begins at ``start``, from a chunk that is just this event."""
        start += 6 if data[start + 5] == _SPACE else 5
        if self._event(name, data[start:last] if last - start <= LARGEST_EVENT_BYTES else None):
            self._counted += len(data)
            self.marks.progress_bytes = self._counted

    def _event(self, name: bytes, data: bytes | None) -> bool:
        """Take a whole event, with None for data too long to keep; return whether it is progress."""
        marks = self.marks
        marks.frames += 1
        if self._awaited:
            if data in self._last_data:
                marks.terminal = True
                return True
            if (name or b"message") in self._last_names:
                marks.terminal = True
        marks.meaningful += 1
        return True

    def _long(self, data: bytes) -> None:
        """Take any octets, line by line."""
        if self._head is not None:
            data = self._after_bom(data)
        if self._after_cr and data:
            if data[0] == _LF:
                data = data[1:]
                if self._octets:
                    self._octets += 1
                elif self._after_cr == _OF_PROGRESS:
                    self._counted += 1
            self._after_cr = 0
        for piece in data.splitlines(True):
            if piece[-1] == _LF or piece[-1] == _CR:
                self._ended(piece)
            else:
                self._keep(piece)
        marks = self.marks
        marks.boundary = self._at_boundary()
        marks.progress_bytes = self._progress()
        self._between = marks.boundary and not self._after_cr and self._head is None

    def _after_bom(self, data: bytes) -> bytes:
        """Return what follows the one BOM that may stand at the start; nothing while that is not known."""
        held = (self._head or b"") + data
        if len(held) < len(_BOM) and _BOM.startswith(held):
            self._head = held
            return b""
        self._head = None
        return held.removeprefix(_BOM)

    def _at_boundary(self) -> bool:
        return not self._octets and not self._line_octets and not self._head

    def _progress(self) -> int:
        """Octets of progress, with those of the event under way."""
        return self._counted + self._octets + (0 if self._line.startswith(b":") else self._line_octets)

    def _keep(self, piece: bytes) -> None:
        """Keep a piece of a line that goes on, as far as there is room."""
        self._after_cr = 0
        self._line_octets += len(piece)
        self._line += piece[: max(0, LARGEST_EVENT_BYTES + _ROOM_FOR_FIELD - len(self._line))]

    def _ended(self, piece: bytes) -> None:
        """Take a line with its end, or the last piece of one."""
        line, octets = piece, len(piece)
        if self._line_octets:
            self._keep(piece)
            line, octets = bytes(self._line), self._line_octets
            self._line.clear()
            self._line_octets = 0
        ends_in_cr = piece[-1] == _CR
        text = line.rstrip(b"\r\n")
        if line[0] == _COLON or not (text or self._octets):  # only keeps the connection alive
            self._after_cr = _OF_SILENCE if ends_in_cr else 0
            return
        self._after_cr = _OF_PROGRESS if ends_in_cr else 0
        self._octets += octets
        if text:
            self._field(text)
        else:
            self._blank()

    def _field(self, text: bytes) -> None:
        """Take a field: ``data`` and ``event`` matter, others only belong to an event."""
        name, _, value = text.partition(b":")
        if name == b"data":
            self._has_data = True
            self._data_octets += len(value) + 1 - value.startswith(b" ")
            if self._data_octets <= LARGEST_EVENT_BYTES + 1:
                self._data.append(value.removeprefix(b" "))
            else:
                self._data.clear()
        elif name == b"event":
            self._name = value.removeprefix(b" ")

    def _blank(self) -> None:
        """The blank line after an event's fields."""
        progress = True
        if self._has_data:
            whole = self._data_octets <= LARGEST_EVENT_BYTES + 1
            progress = self._event(self._name, b"\n".join(self._data) if whole else None)
        if progress:
            self._counted += self._octets
        elif self._after_cr:
            self._after_cr = _OF_SILENCE
        self._octets = self._data_octets = 0
        self._has_data = False
        self._name = b""
        self._data.clear()
