"""HTTP/1.1 as it stands on the wire, read strictly: heads as raw lines, bodies by their framing, nothing repaired.

Shared by the rude client and the scripted upstream. Sources: RFC 9112 sections 2.2, 6 and 7.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

FieldLines = list[tuple[str, str]]

MOST_HEAD_OCTETS = 1 << 20
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(;[^\r\n]*)?\r\n")
_READ_OCTETS = 65_536


class InvalidFraming(Exception):
    """What came is not HTTP/1.1 framing."""


class PeerClosed(Exception):
    """The peer ended the connection where more was due; ``ending`` is ``eof``, ``reset`` or ``ragged``."""

    def __init__(self, ending: str) -> None:
        super().__init__(ending)
        self.ending = ending


class Inbox:
    """What a socket received, with the time each piece came."""

    def __init__(self, sock: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self._socket = sock
        self._clock = clock
        self.pending = b""
        self.ended: str | None = None
        self.received_at = 0.0

    def more(self) -> None:
        """Wait for more octets. Raises PeerClosed at the end and TimeoutError past the socket's timeout."""
        if self.ended is None:
            try:
                piece = self._socket.recv(_READ_OCTETS)
            except TimeoutError:
                raise
            except ssl.SSLError as error:
                # Python 3.11.2 has no class of its own for what OpenSSL 3 says.
                ragged = isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING"
                self.ended = "ragged" if ragged else "reset"
            except OSError:
                self.ended = "reset"
            else:
                self.received_at = self._clock()
                self.pending += piece
                self.ended = None if piece else "eof"
        if self.ended is not None:
            raise PeerClosed(self.ended)

    def take(self, most: int) -> bytes:
        """Return up to ``most`` octets, at least one, as soon as there are any."""
        if not self.pending:
            self.more()
        piece, self.pending = self.pending[:most], self.pending[most:]
        return piece

    def take_exactly(self, octets: int) -> bytes:
        """Return exactly ``octets`` octets."""
        while len(self.pending) < octets:
            self.more()
        piece, self.pending = self.pending[:octets], self.pending[octets:]
        return piece

    def take_until(self, end: bytes) -> bytes:
        """Return everything up to and with ``end``."""
        while end not in self.pending:
            if len(self.pending) > MOST_HEAD_OCTETS:
                raise InvalidFraming(f"no {end!r} within {MOST_HEAD_OCTETS} octets")
            self.more()
        piece, _, self.pending = self.pending.partition(end)
        return piece + end


@dataclass
class Head:
    """The first line and the field lines of a message, and its octets as they came."""

    first_line: str
    fields: FieldLines
    octets: bytes = field(repr=False)

    def all(self, name: str) -> list[str]:
        """Return the values of every field line called ``name``, in order, in any case."""
        return [value for known, value in self.fields if known.lower() == name.lower()]

    def first(self, name: str) -> str | None:
        """Return the first value of the field ``name``, or None."""
        return next(iter(self.all(name)), None)


def read_head(inbox: Inbox) -> Head:
    """Read one head. Raises InvalidFraming, PeerClosed (also where nothing came at all), TimeoutError."""
    octets = inbox.take_until(b"\r\n\r\n")
    first_line, *lines = octets[:-4].decode("latin-1").split("\r\n")
    fields = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\n" in line or "\r" in line:
            raise InvalidFraming(f"bad field line {line!r}")
        fields.append((name, value.strip(" \t")))
    return Head(first_line, fields, octets)


def announced_length(head: Head) -> int | None:
    """Return Content-Length, or None without one. Raises InvalidFraming for several or for a bad one."""
    values = head.all("content-length")
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch(r"[0-9]+", values[0], re.ASCII):
        raise InvalidFraming(f"bad Content-Length {values!r}")
    return int(values[0])


def is_chunked(head: Head) -> bool:
    """Whether the body is chunked. Raises InvalidFraming for any other coding, or a Content-Length beside it."""
    codings = head.all("transfer-encoding")
    if not codings:
        return False
    if [coding.lower() for coding in codings] != ["chunked"]:
        raise InvalidFraming(f"Transfer-Encoding {codings!r}")
    if head.all("content-length"):
        raise InvalidFraming("Transfer-Encoding and Content-Length together")
    return True


def length_pieces(inbox: Inbox, length: int) -> Iterator[bytes]:
    """Yield the pieces of a body of ``length`` octets as they come."""
    while length:
        piece = inbox.take(length)
        length -= len(piece)
        yield piece


def chunk_pieces(inbox: Inbox, trailers: FieldLines) -> Iterator[bytes]:
    """Yield the pieces of a chunked body as they come; append its trailer fields to ``trailers``."""
    while True:
        line = inbox.take_until(b"\r\n")
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise InvalidFraming(f"bad chunk line {line!r}")
        size = int(match[1], 16)
        if size == 0:
            break
        yield from length_pieces(inbox, size)
        if (after := inbox.take_exactly(2)) != b"\r\n":
            raise InvalidFraming(f"chunk data followed by {after!r}")
    while (line := inbox.take_until(b"\r\n")) != b"\r\n":
        name, _, value = line[:-2].decode("latin-1").partition(":")
        trailers.append((name, value.strip(" \t")))


def pieces_until_close(inbox: Inbox) -> Iterator[bytes]:
    """Yield pieces until the peer ends the connection cleanly; raise PeerClosed where it ends otherwise."""
    while True:
        try:
            yield inbox.take(_READ_OCTETS)
        except PeerClosed as end:
            if end.ending != "eof":
                raise
            return
