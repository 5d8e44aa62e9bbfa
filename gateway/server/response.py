"""A response on its way to the client: exactly one framing, the head when it is due, pieces as they come.

The field lines were checked where they came from (the upstream's head parser, or our own code), so they are written as
they are. Server and Date are the origin's; Date is added where it is missing (RFC 9110 section 6.6.1).
"""

import select
import socket
import ssl
import struct
from contextlib import suppress
from email.utils import formatdate
from typing import Any

from gevent.monkey import get_original
from gevent.ssl import SSLSocket

from gateway.exchange.failure import Abort
from gateway.exchange.fields import end_to_end
from gateway.exchange.message import Fields, ReplyHead
from gateway.server.request import ExactRequest

_JOINED_BYTES = 16 * 1024
"""Up to here a piece is copied together with its framing, which is cheaper than three buffers for one call."""
_RESET = struct.pack("ii", 1, 0)
_poll = get_original("select", "poll")


class BodyMismatchError(ValueError):
    """A body and its Content-Length differ: a defect of ours, for upstreams' bodies were measured before."""


class ClientResponse:
    """Writes one response; it is the ``start_response`` of WSGI too.

    Beside the pieces of the exchange's own greenlet, octets may come from the event loop (`begin`, `aside`), but only
    while that greenlet is not inside a write (``_busy``): they never wait, and never stand inside a piece.
    """

    __slots__ = (
        "_bodiless",
        "_busy",
        "_chunked",
        "_early_status",
        "_head",
        "_keep_alive",
        "_left",
        "_length",
        "_plain",
        "_request",
        "_sock",
        "head_sent",
        "written_bytes",
    )

    def __init__(self, request: ExactRequest, sock: Any, keep_alive: bool) -> None:
        self._request = request
        self._sock = sock
        # Not by what it lacks: to find an attribute missing takes gevent's socket a microsecond or two.
        self._plain = hasattr(sock, "_sock") and not isinstance(sock, SSLSocket)
        """Whether what is sent goes out as it is; gevent then keeps under ``_sock`` the socket that does not wait."""
        self._keep_alive = keep_alive
        self._head = b""
        self._chunked = False
        self._bodiless = False
        self._length: int | None = None
        self._busy = False
        """Whether a piece is being written. It stays true where one could not be, and behind the end of the body."""
        self._left = b""
        """What `begin` or `aside` could not send at once: it goes out before all else."""
        self._early_status: str | None = None
        self.head_sent = False
        self.written_bytes = 0

    def __call__(self, status: str, fields: Fields, exc_info: Any = None, *, early: bool = False) -> None:
        """Take the head; it leaves with the first piece (WSGI's start_response).

        Raises ``Abort`` where another one went out early: what follows is the body of something else.
        """
        if self._early_status is not None:
            if status != self._early_status:
                raise Abort
            return
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
        # (Before an early head it may not have been asked for; then it has arrived, and the end will tell.)
        if not (self._request.body.done or (early and self._request.body.at_hand())):
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
            self._send(f"HTTP/1.1 {head.status} {head.reason}\r\n{lines}\r\n".encode("latin-1"))

    def write(self, piece: bytes) -> None:
        """Send a piece now, with the head in the same call if it has not left yet; ``b""`` sends the head alone."""
        octets = len(piece)
        if self._chunked and self.head_sent and 0 < octets <= _JOINED_BYTES:  # An event, nearly always.
            self.written_bytes += octets
            framed = b"%x\r\n%b\r\n" % (octets, piece)
            if not self._plain or self._left:
                self._send(framed)
                return
            self._busy = True
            try:
                sent = self._sock._sock.send(framed)
            except BlockingIOError:
                sent = 0
            if sent < len(framed):
                self._send_rest(framed, sent)
            self._busy = False
            return
        head, self._head = self._head, b""
        if not self.head_sent:
            self.head_sent = True
            self._request.wants_continue = False  # Behind a final head it would stand in the body.
        if not octets or self._bodiless:
            if head:
                self._send(head)
            return
        self.written_bytes += octets
        if self._length is not None and self.written_bytes > self._length:
            raise BodyMismatchError("a body is longer than its Content-Length: the rest would be the next response")
        before, after = (b"%s%x\r\n" % (head, octets), b"\r\n") if self._chunked else (head, b"")
        if not before:
            self._send(piece)
        elif octets <= _JOINED_BYTES:
            self._send(b"%s%s%s" % (before, piece, after))
        elif self._plain:
            self._send_together([before, piece, after] if after else [before, piece])
        else:
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
        elif self._left:
            self._catch_up()
        self._busy = True  # What came behind the end would be taken for the next response.

    def can_begin(self) -> bool:
        """Whether a head could go out at this moment, before the application has one.

        The request must be here as a whole: while the client still sends it, it waits for nothing, and perhaps it
        waits to be told to go on. HTTP/1.0 knows no body that could be interrupted by pings and cut so that it shows.
        """
        if self._busy or self.head_sent or self._request.method == "HEAD" or self._request.version < (1, 1):
            return False
        return (self._request.body.done or self._request.body.at_hand()) and self._writable()

    def begin(self, head: ReplyHead, octets: bytes) -> None:
        """Send ``head`` and the first ``octets`` of the body, from the event loop, where `can_begin` said yes."""
        status = f"{head.status} {head.reason}"
        self(status, end_to_end(head.fields), early=True)
        self._early_status = status
        self.head_sent = True
        self._request.wants_continue = False
        lines, self._head = self._head, b""
        self._push(lines + self._framed(octets))

    def free(self) -> bool:
        """Whether the client takes octets beside the stream at this moment: between two writes, in an open body."""
        if self._busy or not self.head_sent or self._bodiless or self._length is not None:
            return False
        if self._left:
            self._push(b"")
        return not self._left and not self._busy and self._writable()

    def aside(self, octets: bytes) -> None:
        """Put ``octets`` into the body without waiting, from the event loop, where `free` said yes.

        What the client does not take goes out before the next piece, so that no octet of them is lost.
        """
        if octets:
            self._push(self._framed(octets))

    def _framed(self, octets: bytes) -> bytes:
        if not octets:
            return b""  # An empty chunk would be the last one.
        return b"%x\r\n%b\r\n" % (len(octets), octets) if self._chunked else octets

    def _push(self, octets: bytes) -> None:
        """Send what is left over and ``octets``, as far as that can be done without waiting; keep the rest."""
        octets = self._left + octets
        try:
            self._left = octets[self._send_some(octets) :]
        except OSError:
            # The greenlet that writes, or the watch on the client, meets the same and says so; here it is nobody's.
            self._left = octets
            self._busy = True

    def _send_some(self, octets: bytes) -> int:
        # gevent keeps the plain socket under `_sock` and what speaks TLS under `_sslobj`; neither of them waits.
        try:
            if hasattr(self._sock, "_sslobj"):
                if self._sock._sslobj is None:
                    raise OSError("TLS has ended")
                return int(self._sock._sslobj.write(octets))
            return int(self._sock._sock.send(octets))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0  # TLS may hold them already: it is given the very same octets again, as it asks for.

    def _writable(self) -> bool:
        poll = _poll()
        poll.register(self._sock.fileno(), select.POLLOUT)
        return [event for _, event in poll.poll(0)] == [select.POLLOUT]

    def reset_on_close(self) -> None:
        """Let the connection end in a reset, which no client takes for the end of a body."""
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _send(self, octets: bytes) -> None:
        """Send all, waiting for the client as often as needed; the socket's timeout limits each wait by itself."""
        self._busy = True
        if self._left:
            self._catch_up()
        sent = self._sock.send(octets)
        if sent < len(octets):
            self._send_rest(octets, sent)
        self._busy = False

    def _send_rest(self, octets: bytes, sent: int) -> None:
        left = memoryview(octets)[sent:]
        while left:
            left = left[self._sock.send(left) :]

    def _send_together(self, parts: list[bytes]) -> None:
        """Send ``parts`` as `_send` does, in one call and without joining them."""
        self._busy = True
        if self._left:
            self._catch_up()
        left: list[bytes | memoryview] = [*parts]
        while left:
            sent = self._sock.sendmsg(left)
            while left and sent >= len(left[0]):
                sent -= len(left.pop(0))
            if sent:
                left[0] = memoryview(left[0])[sent:]
        self._busy = False

    def _catch_up(self) -> None:
        """Send what was left over. By itself: TLS wants to see the same octets again, and not more at its first try."""
        self._busy = True
        left = memoryview(self._left)
        while left:
            left = left[self._sock.send(left) :]
        self._left = b""


def _length_and_date(fields: Fields) -> tuple[int | None, bool]:
    length, dated = None, False
    for name, value in fields:
        lower = name.lower()
        if lower == "content-length":
            length = int(value)
        elif lower == "date":
            dated = True
    return length, dated
