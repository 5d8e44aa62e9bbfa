"""One request body on its way into one connection: framing, and what is known when it stops."""

import socket
import ssl

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import INTERNAL, Failure, FailureError
from gateway.exchange.message import Upload
from gateway.upstream import translate
from gateway.upstream.watch import Watch

_JOINED_OCTETS = 16 * 1024
"""Up to here a piece is copied together with its framing, which is cheaper than three buffers for one call."""

_TLS_OCTETS = 64 * 1024


class Uploading:
    """Frames what the upload hands over, for as long as the upstream reads it.

    It may run beside the answer, in a flow of control of its own. Its two ends report differently: the body came
    whole (``whole``), or the upstream stopped reading (``failure``); then the answer may already be on its way, so
    the failure counts only if none comes.
    """

    __slots__ = ("_attempt", "_left", "_sock", "_upload", "_watch", "failure", "whole")

    def __init__(self, sock: socket.socket, upload: Upload, attempt: Attempt, watch: Watch) -> None:
        self._sock = sock
        self._upload = upload
        self._attempt = attempt
        self._watch = watch
        self._left = upload.length
        self.whole = False
        self.failure: Failure | None = None

    def start(self) -> None:
        """Let the body flow; returns when it is sent, or goes on in the background."""
        try:
            self._upload.start(self.write, self.finish)
        except FailureError as error:
            if error.failure is not self.failure:
                raise

    def stop(self) -> None:
        """Let no more octets through; harmless at any time."""
        self._upload.stop()

    def write(self, piece: bytes) -> None:
        """Send a piece. Raises ``FailureError``: SEND_FAILED when the upstream reads no more."""
        if not piece:
            return  # An empty chunk would be the last one.
        if self.failure is not None:
            raise FailureError(self.failure)
        if self._left is None:
            if len(piece) <= _JOINED_OCTETS or isinstance(self._sock, ssl.SSLSocket):
                self._send(b"%x\r\n%b\r\n" % (len(piece), piece))
            else:
                self._send(b"%x\r\n" % len(piece), piece, b"\r\n")
            return
        self._left -= len(piece)
        if self._left < 0:
            raise FailureError(Failure(INTERNAL, "the request's body is longer than its Content-Length"))
        self._send(piece)

    def finish(self) -> None:
        """The body came whole: end its framing. Raises ``FailureError`` where that is not so."""
        if self._left:
            raise FailureError(Failure(INTERNAL, f"{self._left} octets of the request's body are missing"))
        if self._left is None:
            self._send(b"0\r\n\r\n")
        self.whole = True
        self._nothing_more()

    def _send(self, *parts: bytes) -> None:
        try:
            # TLS takes all that it is given before it says so, and whoever watches would see nothing go.
            most = _TLS_OCTETS if isinstance(self._sock, ssl.SSLSocket) else None
            left = [memoryview(part) for part in parts]
            while left:
                sent = self._sock.send(left[0][:most]) if len(left) == 1 else self._sock.sendmsg(left)
                self._attempt.taken_bytes += sent
                while left and sent >= len(left[0]):
                    sent -= len(left.pop(0))
                if sent:
                    left[0] = left[0][sent:]
        except OSError as error:
            self.failure = translate.sending(error)
            self._nothing_more()
            raise FailureError(self.failure) from error

    def _nothing_more(self) -> None:
        if self._attempt.status is None:
            self._watch.sent()
