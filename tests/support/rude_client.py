"""A client on a bare socket: sends any octets, reads at any pace, leaves when it likes, is strict about framing."""

import socket
import ssl
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from support.conditions import patience
from support.framing import (
    FieldLines,
    Head,
    Inbox,
    InvalidFraming,
    PeerClosed,
    announced_length,
    chunk_pieces,
    is_chunked,
    length_pieces,
    pieces_until_close,
    read_head,
)

Address = tuple[str, int] | str
"""Host and port, or the path of a unix socket."""


@dataclass
class RawResponse:
    """A response as it came, and whether it came whole."""

    status: int
    reason: str
    fields: FieldLines
    body: bytes = field(default=b"", repr=False)
    complete: bool = False
    """Whether the body came whole, by its own framing."""
    ending: str = ""
    """``complete`` where the framing said so; ``eof`` or ``reset`` where the connection did (an ``eof`` completes a
    body that is framed by close); ``ragged`` where TLS ended without close_notify; ``invalid`` for broken framing."""
    problem: str = ""
    """What was invalid."""
    version: str = "HTTP/1.1"
    trailers: FieldLines = field(default_factory=list)
    interim: list[Head] = field(default_factory=list)
    """The 1xx responses before it."""
    pieces: list[tuple[float, bytes]] = field(default_factory=list, repr=False)
    """The body as it arrived: seconds since the client last sent, and octets."""
    head_seconds: float = 0.0

    def all(self, name: str) -> list[str]:
        """Return the values of every field line called ``name``, in order."""
        return [value for known, value in self.fields if known.lower() == name.lower()]

    def first(self, name: str) -> str | None:
        """Return the first value of the field ``name``, or None."""
        return next(iter(self.all(name)), None)


def split_status_line(line: str) -> tuple[str, int, str]:
    """Return version, status and reason. Raises InvalidFraming."""
    version, _, rest = line.partition(" ")
    code, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or len(code) != 3 or not (code.isascii() and code.isdigit()):
        raise InvalidFraming(f"bad status line {line!r}")
    return version, int(code), reason


class RudeClient:
    """One connection. ``timeout_seconds`` bounds each wait; ``receive_buffer`` keeps the kernel from hoarding."""

    def __init__(
        self,
        address: Address,
        tls: ssl.SSLContext | None = None,
        *,
        server_name: str = "localhost",
        timeout_seconds: float = 10.0,
        receive_buffer: int | None = None,
        source: str | None = None,
        preface: bytes = b"",
    ) -> None:
        """``source`` is the address to come from; ``preface`` goes out before TLS begins."""
        unix = isinstance(address, str)
        self.socket: socket.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        try:
            if receive_buffer is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.settimeout(timeout_seconds)
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.connect(address)
            self.socket.sendall(preface)
            if not unix:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname=server_name, suppress_ragged_eofs=False)
        except BaseException:
            self.socket.close()
            raise
        self.sent_at = time.monotonic()
        self._inbox = Inbox(self.socket)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    def send(self, octets: bytes) -> Self:
        """Send ``octets`` as they are; times of arrival count from here."""
        self.sent_at = time.monotonic()
        self.socket.sendall(octets)
        return self

    def get(self, target: str, *lines: str, host: str = "gateway.test") -> Self:
        """Send a GET for ``target`` with further field ``lines``."""
        return self.send("\r\n".join([f"GET {target} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode("latin-1"))

    def read_until_head(self) -> tuple[str, FieldLines, bytes]:
        """Return the status line, the field lines and what else came with them (which stays to be read, too)."""
        head = read_head(self._inbox)
        return head.first_line, head.fields, self._inbox.pending

    def read_until(self, end: bytes) -> bytes:
        """Return what comes up to and with ``end``, framing and all."""
        return self._inbox.take_until(end)

    def read_response(self, *, method: str = "GET") -> RawResponse:
        """Read one response to a request of ``method``. Raises PeerClosed without a head, InvalidFraming for a bad
        one, and TimeoutError when the server keeps silent."""
        interim: list[Head] = []
        while True:
            head = read_head(self._inbox)
            version, status, reason = split_status_line(head.first_line)
            if status >= 200 or status == 101:
                break
            interim.append(head)
        response = RawResponse(status, reason, head.fields, version=version, interim=interim)
        response.head_seconds = self._inbox.received_at - self.sent_at
        self._read_body(response, head, method)
        return response

    def open_response(self, *, method: str = "GET") -> tuple[Head, Iterator[bytes]]:
        """Read the head of a final response; return it with an iterator over its body, piece by piece as they come,
        which raises PeerClosed or InvalidFraming where the body does not come whole."""
        while True:
            head = read_head(self._inbox)
            if split_status_line(head.first_line)[1] >= 200:
                return head, self._pieces(head, method, [])

    def _pieces(self, head: Head, method: str, trailers: FieldLines) -> Iterator[bytes]:
        if method == "HEAD" or split_status_line(head.first_line)[1] in (101, 204, 304):
            return iter(())
        if is_chunked(head):
            return chunk_pieces(self._inbox, trailers)
        length = announced_length(head)
        return pieces_until_close(self._inbox) if length is None else length_pieces(self._inbox, length)

    def _read_body(self, response: RawResponse, head: Head, method: str) -> None:
        try:
            pieces = self._pieces(head, method, response.trailers)
            for piece in pieces:
                response.pieces.append((self._inbox.received_at - self.sent_at, piece))
            by_close = self._inbox.ended == "eof"
            response.complete, response.ending = True, "eof" if by_close else "complete"
        except PeerClosed as end:
            response.ending = end.ending
        except InvalidFraming as error:
            response.ending, response.problem = "invalid", str(error)
        response.body = b"".join(piece for _, piece in response.pieces)

    def arrivals(self, deadline: float) -> list[tuple[float, bytes]]:
        """Return what comes within ``deadline`` seconds, or until the end: pieces and their times since ``send`."""
        found: list[tuple[float, bytes]] = []
        until, before = time.monotonic() + deadline, self.socket.gettimeout()
        try:
            while (left := until - time.monotonic()) > 0:
                self.socket.settimeout(left)
                piece = self._inbox.take(1 << 20)
                found.append((self._inbox.received_at - self.sent_at, piece))
        except (PeerClosed, TimeoutError):
            pass
        finally:
            self.socket.settimeout(before)
        return found

    def slow_read(self, bytes_per_second: int, seconds: float) -> bytes:
        """Read no faster than ``bytes_per_second`` for ``seconds``, or until the end; return what came."""
        taken, step = b"", 0.05
        most = max(1, int(bytes_per_second * step))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                piece = self._inbox.pending[:most] or self.socket.recv(most)  # no more: the rest must hold back
            except OSError:
                break
            if not piece:
                break
            self._inbox.pending = self._inbox.pending[most:]
            taken += piece
            time.sleep(step)
        return taken

    def wait_closed(self, timeout: float = 5.0) -> str:
        """Read until the server ends the connection; return its ending (RawResponse). AssertionError if it stays."""
        self.arrivals(patience(timeout))
        if self._inbox.ended is None:
            raise AssertionError(f"the server kept the connection for {timeout:g} s")
        return self._inbox.ended

    def half_close(self) -> None:
        """Send FIN and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        """Close: FIN, or RST where octets lie unread, as the kernel does for any client."""
        self.socket.close()

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
