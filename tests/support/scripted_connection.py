"""One connection of the scripted upstream: what a script can do with it, and what is written down about it."""

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from support.conditions import patience
from support.framing import (
    Head,
    Inbox,
    PeerClosed,
    announced_length,
    chunk_pieces,
    is_chunked,
    length_pieces,
    read_head,
)

_ESTABLISHED = 1  # TCP_ESTABLISHED of linux/tcp_states.h
_MOST_DRAINED_READS = 64
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Stopped(Exception):
    """The test is over; the script ends."""


@dataclass
class RawRequest:
    """A request as the upstream got it."""

    request_line: str
    head: Head
    connection: int
    """Number of the connection it came on, from 0."""
    body_complete: bool = False
    """Whether ``read_body`` saw the body's own end."""
    pieces: list[tuple[float, bytes]] = field(default_factory=list, repr=False)
    """The body as it arrived: seconds since the head was read, and octets."""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """The body as far as it was read."""
        return b"".join(piece for _, piece in self.pieces)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The field lines in order."""
        return self.head.fields

    @property
    def head_octets(self) -> bytes:
        """The head as it stood on the wire."""
        return self.head.octets

    @property
    def method(self) -> str:
        """The method token."""
        return self.request_line.split(" ")[0]

    @property
    def target(self) -> str:
        """The request target."""
        return self.request_line.split(" ")[1]

    def all(self, name: str) -> list[str]:
        """Return the values of every field line called ``name``, in order."""
        return self.head.all(name)

    def first(self, name: str) -> str | None:
        """Return the first value of the field ``name``, or None."""
        return self.head.first(name)


class ScriptedConnection:
    """A script's hands. Reading raises PeerClosed where the peer is gone; that ends a script quietly."""

    def __init__(self, sock: socket.socket, number: int, record: Callable[[RawRequest], None]) -> None:
        self.socket = sock
        self.number = number
        self.accepted_at = time.monotonic()
        self.request: RawRequest | None = None
        """The request read last."""
        self._record = record
        self._inbox = Inbox(sock)
        self._head_at = 0.0
        self._stopped = threading.Event()

    def secure(self, tls: ssl.SSLContext) -> None:
        """Do the TLS handshake. Raises ssl.SSLError or OSError where it fails."""
        secured = tls.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        self.socket, self._inbox = secured, Inbox(secured)
        secured.do_handshake()

    @property
    def stopped(self) -> bool:
        """Whether the test has ended it."""
        return self._stopped.is_set()

    @property
    def is_open(self) -> bool:
        """Whether neither side has ended it, as the kernel knows it."""
        try:
            if self.socket.family != socket.AF_UNIX:
                return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED
            gone = select.poll()
            gone.register(self.socket.fileno(), select.POLLRDHUP)
            return not gone.poll(0)
        except (OSError, ValueError):
            return False

    def read_head(self) -> RawRequest:
        """Read one request head and write it down."""
        head = read_head(self._inbox)
        self._head_at = time.monotonic()
        self.request = RawRequest(head.first_line, head, self.number)
        self._record(self.request)
        return self.request

    def read_body(self) -> bytes:
        """Read the body of the request read last, by its framing; a cut one is kept as far as it came."""
        request = self.request
        assert request is not None, "read_body before read_head"
        try:
            if is_chunked(request.head):
                pieces = chunk_pieces(self._inbox, request.trailers)
            else:
                pieces = length_pieces(self._inbox, announced_length(request.head) or 0)
            for piece in pieces:
                request.pieces.append((time.monotonic() - self._head_at, piece))
            request.body_complete = True
        finally:
            self._check_stopped()
        return request.body

    def read_request(self) -> RawRequest:
        """Read a whole request: head and body."""
        request = self.read_head()
        self.read_body()
        return request

    def read_some(self, most: int = 65_536) -> bytes:
        """Return what comes next, at most ``most`` octets."""
        return self._inbox.take(most)

    def send(self, octets: bytes) -> None:
        """Send ``octets`` as they are."""
        self.socket.sendall(octets)

    def drip(self, octets: bytes, size: int, seconds: float) -> None:
        """Send ``octets`` in pieces of ``size`` with a pause between two."""
        for start in range(0, len(octets), size):
            if start:
                self.pause(seconds)
            self.send(octets[start : start + size])

    def pause(self, seconds: float) -> None:
        """Do nothing, whatever the peer does."""
        self._stopped.wait(seconds)
        self._check_stopped()

    def hang(self) -> None:
        """Keep silent until the peer ends the connection."""
        while True:
            try:
                self._inbox.take(65_536)
            except TimeoutError:
                self._check_stopped()
            except PeerClosed:
                return

    def wait_closed(self, timeout: float = 5.0) -> float:
        """Return the seconds until the peer ended the connection (FIN or RST), dropping what it still sends.
        Raises AssertionError if it does not within ``timeout`` seconds."""
        start = time.monotonic()
        until, before = start + patience(timeout), self.socket.gettimeout()
        try:
            while (left := until - time.monotonic()) > 0:
                self.socket.settimeout(left)
                self._inbox.take(65_536)
        except PeerClosed:
            return time.monotonic() - start
        except TimeoutError:
            pass
        finally:
            if self.socket.fileno() >= 0:
                self.socket.settimeout(before)
        self._check_stopped()
        raise AssertionError(f"the peer kept connection {self.number} for {timeout:g} s")

    def shut(self) -> None:
        """Send FIN and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.socket.close()

    def close(self) -> None:
        """End the connection with FIN. What lies unread is taken first: the kernel would send RST instead."""
        try:
            if isinstance(self.socket, ssl.SSLSocket):
                self.socket.settimeout(0.2)
                self.socket = self.socket.unwrap()  # close_notify: without it the end looks like a cut
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.setblocking(False)
            for _ in range(_MOST_DRAINED_READS):
                if not self.socket.recv(65_536):
                    break
        except (OSError, ValueError):
            pass
        self.socket.close()

    def stop(self) -> None:
        """Wake the script up and end it; called from the test's thread."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise Stopped
