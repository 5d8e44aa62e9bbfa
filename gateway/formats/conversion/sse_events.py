"""Server-sent events, read as the WHATWG's HTML standard says (section 9.2.6), and each written as one line of JSON."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.formats.conversion.fault import FRAME_LIMIT_BYTES, too_large, unfinished
from gateway.formats.conversion.strict_json import one_line, parse

_LINE_END = re.compile(rb"\r\n|\n|\r")
_quoted = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(slots=True)
class Event:
    """What stands between two blank lines. A field that was not there is None, or empty for ``data``."""

    name: str | None = None
    id: str | None = None
    data: list[str] = field(default_factory=list)
    """Its lines."""


class EventReader:
    """Yields each event the moment its blank line came.

    Comments and ``retry`` say something about the connection to their reader, and end here. An ``id`` without an event
    belongs to the one that follows. Octets that are not UTF-8 become U+FFFD, as the standard says.
    """

    __slots__ = ("_after_cr", "_count", "_event", "_event_bytes", "_held")

    def __init__(self) -> None:
        self._held = bytearray()
        self._event = Event()
        self._event_bytes = 0
        self._count = 1
        self._after_cr = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield what became whole."""
        if self._after_cr and data:
            # The line ended with its CR already: that a LF follows could not be waited for.
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if not data:
            return
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            *ended, last = _LINE_END.split(data)
        else:
            *ended, last = data.split(b"\n")
        for piece in ended:
            self._hold(piece)
            line = bytes(self._held)
            self._held.clear()
            if line:
                self._take(line)
            elif self._event.data or self._event.name:
                yield self._event
                self._event = Event()
                self._event_bytes = 0
                self._count += 1
            else:
                self._event_bytes = 0
        self._hold(last)

    def end(self) -> Iterator[Event]:
        """Yield nothing: an event without its blank line is none, and must not be taken for the end of all."""
        half_line = self._held and not self._held.startswith(b":")
        if half_line or self._event.data or self._event.name:
            raise unfinished(f"event {self._count}", "the body ends within it")
        return iter(())

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._held += piece
            if self._event_bytes + len(self._held) > FRAME_LIMIT_BYTES:
                raise too_large(f"event {self._count}")

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name not in (b"data", b"event", b"id"):
            return
        self._event_bytes += len(line)
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            self._event.data.append(text)
        elif name == b"event":
            self._event.name = text
        elif "\0" not in text:
            self._event.id = text


def line_of(event: Event) -> bytes:
    """Return ``event`` as a line: an object with those of ``event``, ``id`` and ``data`` that it has.

    Data that is a JSON object or array stands there as itself, all other data as a string: ``[DONE]``, too.
    """
    members = []
    if event.name:
        members.append(f'"event":{_quoted(event.name)}')
    if event.id is not None:
        members.append(f'"id":{_quoted(event.id)}')
    if event.data:
        data = "\n".join(event.data)
        members.append(f'"data":{_as_json(data)}')
    return f"{{{','.join(members)}}}\n".encode()


def _as_json(data: str) -> str:
    text = data.strip(" \t\n")
    if text[:1] in ("{", "["):
        octets = text.encode()
        try:
            parse(octets)
        except ValueError:
            pass
        else:
            return one_line(octets).decode()
    return _quoted(data)
