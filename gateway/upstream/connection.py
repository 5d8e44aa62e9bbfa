"""One HTTP/1.1 connection to an endpoint: sends a request, reads the head of its answer."""

import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import HEAD_MISSING, Failure, FailureError
from gateway.exchange.message import Upload
from gateway.exchange.scattered import Receive
from gateway.upstream import translate
from gateway.upstream.head import FramedHead, HeadReader
from gateway.upstream.uploading import Uploading
from gateway.upstream.watch import Watch

CONTINUE_SECONDS = 1.0
"""How long a request with ``Expect: 100-continue`` waits before its body goes anyway (RFC 9110 section 10.1.1)."""
_PEEK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)
"""As a number: an enumeration would be put together for each use."""
_HEAD_READ_OCTETS = 16 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

WaitReadable = Callable[[socket.socket], None]
"""Returns when a socket has something to read."""


@dataclass(slots=True)
class Sending:
    """What one attempt brings along to be sent, besides its head."""

    attempt: Attempt
    upload: Upload | None
    watch: Watch
    connect_seconds: float | None = None
    """What the watch allows for a new connection; None for no limit."""


class Connection:
    """A socket with a memory: how often it was used, since when it is idle, whether its last request went out whole."""

    __slots__ = (
        "_head_sent",
        "_peek",
        "_sock",
        "_uploading",
        "_wait_below",
        "idle_since",
        "recv",
        "uses",
        "wait",
    )

    def __init__(self, sock: socket.socket, wait_readable: WaitReadable | None = None) -> None:
        """``wait_readable`` saves a system call where nothing is there yet; TLS cannot use it, as it buffers itself."""
        self._sock = sock
        # Around TLS: what is on the wire counts, whatever it decrypts to. gevent keeps the plain socket under `_sock`.
        below = getattr(sock, "_sock", None)
        self._peek: Callable[[int, int], bytes] = partial(socket.socket.recv, sock) if below is None else below.recv
        self._head_sent = False
        self._uploading: Uploading | None = None
        self.uses = 0
        self.idle_since = 0.0
        self.recv = sock.recv
        secure = isinstance(sock, ssl.SSLSocket)
        self.wait = None if secure else wait_readable
        self._wait_below = wait_readable if secure else None

    def __repr__(self) -> str:
        return f"<Connection fd={self._sock.fileno()} uses={self.uses}>"

    def reading(self) -> tuple[Callable[[int], bytes], WaitReadable | None, socket.socket]:
        """Return what reads and what waits for it, with the socket to give it.

        Where there is nothing to wait with, reading waits. Else it raises BlockingIOError where nothing is there.
        """
        if self.wait is None:
            return self.recv, None, self._sock
        # A cooperative socket keeps the plain one under `_sock`; what it adds is a wait of its own.
        return getattr(self._sock, "_sock", self._sock).recv, self.wait, self._sock

    @property
    def fill(self) -> Receive:
        """What fills several buffers at once; only for whoever has something to wait with, see `reading`."""
        receive: Receive = getattr(self._sock, "_sock", self._sock).recvmsg_into
        return receive

    def let_others_run(self) -> None:
        """Around TLS: wait for what comes next even if it is there. Reading it waits only where nothing is."""
        # A record is decrypted by the read that gets it, so that none hides where nothing decrypted is left.
        if self._wait_below is not None and self.drained():
            self._wait_below(self._sock)

    @property
    def sent_whole(self) -> bool:
        """Whether nothing of the last request is missing."""
        return self._head_sent and (self._uploading is None or self._uploading.whole)

    def ask(self, head: bytes, expects: bool, method: str, sending: Sending) -> FramedHead:
        """Send a request, read the head of its final answer.

        The caller closes the connection on any exception. Raises ``FailureError``; what an interrupter throws passes.
        """
        attempt = sending.attempt
        self.uses += 1
        self._uploading = None
        reader = HeadReader(method, sending.watch.informational)
        unsent = self._send(head)
        self._head_sent = unsent is None
        framed = None
        if sending.upload is None or sending.upload.length == 0 or unsent is not None:
            sending.watch.sent()
        else:
            self._uploading = Uploading(self._sock, sending.upload, attempt, sending.watch)
            if expects:
                framed = self._await_continue(reader, attempt)
            if framed is None:
                self._uploading.start()
        try:
            while framed is None:
                framed = self._read(reader, attempt)
        except FailureError as error:
            if error.failure.kind is HEAD_MISSING and not attempt.answered:
                if self._uploading is not None:
                    unsent = self._uploading.failure
                if unsent is not None:
                    raise FailureError(unsent) from error
            raise
        if not framed.modern and sending.upload is not None and sending.upload.length is None:
            framed.persistent = False  # It may not have read our chunks as a body, but as its next request.
        attempt.status = framed.head.status
        sending.watch.answered()
        return framed

    def _send(self, head: bytes) -> Failure | None:
        """Send the head; return what went wrong, for the upstream may have answered before it stopped reading."""
        try:
            sent = self._sock.send(head)
            if sent < len(head):
                self._sock.sendall(head[sent:])
        except OSError as error:
            return translate.sending(error)
        return None

    def _read(self, reader: HeadReader, attempt: Attempt) -> FramedHead | None:
        try:
            if self.wait is not None:
                self.wait(self._sock)
            data = self.recv(_HEAD_READ_OCTETS)
        except OSError as error:
            raise FailureError(translate.awaiting(error, attempt.answered)) from error
        if not data:
            raise FailureError(translate.awaiting(None, attempt.answered))
        attempt.answered = True
        return reader.feed(data)

    def _await_continue(self, reader: HeadReader, attempt: Attempt) -> FramedHead | None:
        """Wait for 100 (Continue); return a final head, which makes the body needless, or None: send it."""
        try:
            self._sock.settimeout(CONTINUE_SECONDS)
            while not reader.continued:
                try:
                    data = self.recv(_HEAD_READ_OCTETS)
                except TimeoutError:
                    return None
                except OSError as error:
                    raise FailureError(translate.awaiting(error, attempt.answered)) from error
                if not data:
                    raise FailureError(translate.awaiting(None, attempt.answered))
                attempt.answered = True
                framed = reader.feed(data)
                if framed is not None:
                    return framed
        finally:
            self._sock.settimeout(None)
        return None

    def drained(self) -> bool:
        """Whether no decrypted octet is left over from the last answer; what is still on the wire `quiet` will see."""
        return not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending())

    def quiet(self) -> bool:
        """Whether nothing waits to be read: no stray octet, no end of the stream. Does not wait."""
        try:
            self._peek(1, _PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """End it, with an upload that may still run.

        A request that was not sent whole ends in a reset: behind octets that the upstream does not take, the kernel
        would keep an ordinary end to itself, and the octets too, for minutes.
        """
        whole = self.sent_whole
        uploading, self._uploading = self._uploading, None
        try:
            if uploading is not None:
                uploading.stop()
            if not whole and self.uses:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        except OSError:
            pass  # It is gone already.
        finally:
            self._sock.close()
