"""A JSON document read while it comes: of an array each element, of anything else the whole.

Only the outline is followed here: brackets and strings. Each element, once it is whole, is read by a strict parser, so
that nothing passes which that would refuse, and its text stays as the upstream wrote it.
"""

import re
from collections.abc import Iterator
from typing import Any

from gateway.formats.conversion.fault import FRAME_LIMIT_BYTES, malformed, too_large, unfinished
from gateway.formats.conversion.strict_json import one_line, parse

_BLANKS = re.compile(rb"[ \t\r\n]*+")
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.S)
_TO_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+', re.S)
"""Up to the next bracket, or to a string that does not end in these octets."""
_SCALAR = re.compile(rb'[^ \t\r\n,"\[\]{}]*+')
_QUOTE, _ESCAPE, _COMMA, _OPEN, _CLOSE = b'"\\,[]'


class ArrayReader:
    """Yields the text of each element, on one line, and what it holds: the moment its last octet came."""

    __slots__ = ("_count", "_depth", "_escaped", "_held", "_quoted", "_state")

    def __init__(self) -> None:
        self._state = self._start
        self._held = bytearray()
        self._count = 1
        self._depth = 0
        self._quoted = self._escaped = False

    def feed(self, data: bytes) -> Iterator[tuple[bytes, Any]]:
        """Yield what became whole."""
        at, size = 0, len(data)
        while at < size:
            at, whole = self._state(data, at)
            if whole:
                yield self._element()

    def end(self) -> Iterator[tuple[bytes, Any]]:
        """Yield the document where it is no array."""
        if self._state == self._document:
            yield self._element()
        elif self._state == self._start:
            raise unfinished(self._where(), "the body holds no JSON value")
        elif self._state != self._done:
            raise unfinished(self._where(), "the body ends before its array does")

    def _where(self) -> str:
        return f"element {self._count}"

    def _hold(self, piece: bytes) -> None:
        self._held += piece
        if len(self._held) > FRAME_LIMIT_BYTES:
            raise too_large(self._where())

    def _element(self) -> tuple[bytes, Any]:
        text = bytes(self._held.rstrip(b" \t\r\n"))
        self._held.clear()
        try:
            value = parse(text)
        except ValueError as error:
            raise malformed(self._where(), str(error)) from None
        self._count += 1
        return one_line(text), value

    # The states: each takes octets from ``at`` on, returns how far it came and whether an element became whole.

    def _start(self, data: bytes, at: int) -> tuple[int, bool]:
        at = _skipped(data, at)
        if at < len(data):
            if data[at] not in b'[{"-0123456789tfn':
                raise malformed(self._where(), "no JSON value begins like this")  # At once: a page of HTML, mostly.
            is_array = data[at] == _OPEN
            self._state = self._first if is_array else self._document
            at += is_array
        return at, False

    def _document(self, data: bytes, at: int) -> tuple[int, bool]:
        self._hold(data[at:])
        return len(data), False

    def _first(self, data: bytes, at: int) -> tuple[int, bool]:
        at = _skipped(data, at)
        if at < len(data) and data[at] == _CLOSE:
            self._state = self._done
            return at + 1, False
        return self._next(data, at)

    def _next(self, data: bytes, at: int) -> tuple[int, bool]:
        """An element must begin."""
        at = _skipped(data, at)
        if at == len(data):
            return at, False
        octet = data[at]
        if octet in b",]}":
            raise malformed(self._where(), f"{chr(octet)} where a value should begin")
        self._state = self._inside if octet in b'"[{' else self._scalar
        if octet == _QUOTE:
            self._quoted = True
            self._hold(b'"')
            at += 1
        return at, False

    def _inside(self, data: bytes, at: int) -> tuple[int, bool]:
        """Within an object, an array or a string."""
        start, size, depth = at, len(data), self._depth
        whole = False
        while at < size and not whole:
            if self._quoted:
                at, ended = self._string(data, at)
                whole = ended and not depth
                continue
            at = _end(_TO_BRACKET, data, at)
            if at < size:
                octet = data[at]
                at += 1
                if octet == _QUOTE:
                    self._quoted = True
                elif octet in b"[{":
                    depth += 1
                else:
                    depth -= 1
                    whole = not depth
        self._depth = depth
        self._hold(data[start:at])
        if whole:
            self._state = self._after
        return at, whole

    def _string(self, data: bytes, at: int) -> tuple[int, bool]:
        if self._escaped:
            self._escaped = False
            return at + 1, False
        at = _end(_IN_STRING, data, at)
        if at == len(data):
            return at, False
        # Either the string's end, or a backslash as the last octet.
        self._escaped = data[at] == _ESCAPE
        self._quoted = self._escaped
        return at + 1, not self._escaped

    def _scalar(self, data: bytes, at: int) -> tuple[int, bool]:
        """Within a number, true, false or null: what follows ends it."""
        end = _end(_SCALAR, data, at)
        self._hold(data[at:end])
        if end == len(data):
            return end, False
        self._state = self._after
        return end, True

    def _after(self, data: bytes, at: int) -> tuple[int, bool]:
        at = _skipped(data, at)
        if at == len(data):
            return at, False
        if data[at] not in b",]":
            raise malformed(self._where(), "neither a comma nor the array's end before it")
        self._state = self._next if data[at] == _COMMA else self._done
        return at + 1, False

    def _done(self, data: bytes, at: int) -> tuple[int, bool]:
        at = _skipped(data, at)
        if at < len(data):
            raise malformed("behind the array", "further octets")
        return at, False


def _skipped(data: bytes, at: int) -> int:
    return _end(_BLANKS, data, at)


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    found = pattern.match(data, at)
    assert found is not None  # Each of the patterns matches nothing at all, too.
    return found.end()
