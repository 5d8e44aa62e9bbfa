"""A response on its way to the client: exactly one framing, the head when it is due, pieces as they come.

The field lines were checked where they came from (the upstream's head parser, or our own code), so they are written as
they are. Server and Date are the origin's; Date is added where it is missing (RFC 9110 section 6.6.1).
"""

import socket
import struct
from contextlib import suppress
from email.utils import formatdate
from typing import Any

from gateway.exchange.message import Fields, ReplyHead
from gateway.server.request import ExactRequest

_JOINED_BYTES = 16 * 1024
"""Up to here a piece is copied together with its framing, which is cheaper than three buffers for one call."""
_RESET = struct.pack("ii", 1, 0)


class BodyMismatchError(ValueError):
    """A body and its Content-Length differ: a defect of ours, for upstreams' bodies were measured before."""


class ClientResponse:
    """Writes one response; it is the ``start_response`` of WSGI too."""

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_head",
        "_keep_alive",
        "_length",
        "_request",
        "_sock",
        "head_sent",
        "written_bytes",
    )

    def __init__(self, request: ExactRequest, sock: Any, keep_alive: bool) -> None:
        self._request = request
        self._sock = sock
        self._keep_alive = keep_alive
        self._head = b""
        self._chunked = False
        self._bodiless = False
        self._length: int | None = None
        self.head_sent = False
        self.written_bytes = 0

    def __call__(self, status: str, fields: Fields, exc_info: Any = None) -> None:
        """Take the head; it leaves with the first piece (WSGI's start_response)."""
        code = int(status[:3])
        self._bodiless = self._request.method == "HEAD" or code in (204, 304) or code < 200
        length, dated = _length_and_date(fields)
        if code == 204 or code < 200:
            fields = [line for line in fields if line[0].lower() != "content-length"]
        self._length = None if self._bodiless else length
        modern = self._request.version >= (1, 1)
        self._chunked = modern and not self._bodiless and length is None
        if not self._bodiless and length is None and not modern:
            self._keep_alive = False
        # A body that is still to be read stands between this response and the next request.
        if not self._request.body.done:
            self._keep_alive = False
        lines = [f"HTTP/1.1 {status}\r\n"]
        lines.extend([f"{name}: {value}\r\n" for name, value in fields])
        if not dated:
            lines.append(f"Date: {formatdate(usegmt=True)}\r\n")
        if self._chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        if not self._keep_alive:
            lines.append("Connection: close\r\n")
        elif not modern:
            lines.append("Connection: keep-alive\r\n")
        lines.append("\r\n")
        self._head = "".join(lines).encode("latin-1")

    @property
    def keep_alive(self) -> bool:
        """Whether a next request may follow on this connection, once this response is complete."""
        return self._keep_alive

    @property
    def close_delimited(self) -> bool:
        """Whether only the end of the connection tells the client that the body is complete."""
        return not self._chunked and not self._bodiless and self._length is None

    @property
    def cut_is_silent(self) -> bool:
        """Whether a cut would not be seen: HTTP/1.0 clients get a reset for any, others where only the end tells."""
        return self.close_delimited or self._request.version < (1, 1)

    def interim(self, head: ReplyHead) -> None:
        """Pass on an interim response to a client that knows them (RFC 9110 section 15.2)."""
        if self.head_sent or self._request.version < (1, 1):
            return
        # A length would speak of a body that an interim response never has (RFC 9110 section 8.6).
        lines = "".join([f"{name}: {value}\r\n" for name, value in head.fields if name.lower() != "content-length"])
        # A client that left is noticed by the watch on it; here it would pass for an error of the upstream (law 2).
        with suppress(OSError):
            self._sock.sendall(f"HTTP/1.1 {head.status} {head.reason}\r\n{lines}\r\n".encode("latin-1"))

    def write(self, piece: bytes) -> None:
        """Send a piece now, with the head in the same call if it has not left yet; ``b""`` sends the head alone."""
        head, self._head = self._head, b""
        if not self.head_sent:
            self.head_sent = True
            self._request.wants_continue = False  # Behind a final head it would stand in the body.
        if not piece or self._bodiless:
            if head:
                self._send(head)
            return
        self.written_bytes += len(piece)
        if self._length is not None and self.written_bytes > self._length:
            raise BodyMismatchError("a body is longer than its Content-Length: the rest would be the next response")
        before, after = (b"%s%x\r\n" % (head, len(piece)), b"\r\n") if self._chunked else (head, b"")
        if len(piece) <= _JOINED_BYTES:
            self._send(b"%s%s%s" % (before, piece, after) if before else piece)
            return
        if before:
            self._send(before)
        self._send(piece)
        if after:
            self._send(after)

    def finish(self) -> None:
        """Send the head if it has not left and end the body in the way its framing asks for.

        Raises ``BodyMismatchError`` where octets that were announced were never written.
        """
        if not self.head_sent:
            self.write(b"")
        if self._length is not None and self.written_bytes < self._length:
            raise BodyMismatchError("a body is shorter than its Content-Length")
        if self._chunked:
            self._send(b"0\r\n\r\n")

    def reset_on_close(self) -> None:
        """Let the connection end in a reset, which no client takes for the end of a body."""
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _send(self, octets: bytes) -> None:
        """Send all, waiting for the client as often as needed; the socket's timeout limits each wait by itself."""
        sent = self._sock.send(octets)
        if sent < len(octets):
            left = memoryview(octets)[sent:]
            while left:
                left = left[self._sock.send(left) :]


def _length_and_date(fields: Fields) -> tuple[int | None, bool]:
    length, dated = None, False
    for name, value in fields:
        lower = name.lower()
        if lower == "content-length":
            length = int(value)
        elif lower == "date":
            dated = True
    return length, dated
