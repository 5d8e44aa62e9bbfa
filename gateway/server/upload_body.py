"""The body of a request, read as it arrives."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from gevent.ssl import SSLSocket
from gunicorn.http.errors import NoMoreData

from gateway.exchange.chunked import ChunkedDecoder
from gateway.exchange.failure import BAD_REQUEST, UPLOAD_CUT, Failure, FailureError
from gateway.exchange.scattered import RunReader
from gateway.relay.late import Late, Limit
from gateway.relay.readable import wait_readable

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PIECE_BYTES = 64 * 1024
_LARGE_PIECE_BYTES = 512 * 1024
"""What is read at once while it comes faster than it is read."""
_GROWTH = 4
_BURST_READS = 4
"""How many reads in a row may do without a wait: then all others have their turn, however fast the client is."""


class UploadBody:
    """The body of a request: octets as they arrive, counted against what was announced."""

    def __init__(self, unreader: Any, length: int | None, wants_continue: bool = False) -> None:
        """``wants_continue``: whether the client waits to be told that it may send it."""
        # It knows nothing of its request, which has it: a ring of the two would outlive every exchange.
        self.wants_continue = wants_continue
        self.length = length
        """Octets announced; None for a chunked body."""
        self.done = length == 0
        """Whether the body was read to its end: only then does a next request begin behind it."""
        self.failed = False
        """Whether reading it broke, so that nothing behind it can be trusted."""
        self._left = length or 0
        """Octets of an announced length that were not handed on yet."""
        self._decoder: ChunkedDecoder | None = None
        self._runs: RunReader | None = None
        self._complete = self.done
        """Whether its last octet was received, though perhaps not handed on."""
        self._unreader = unreader
        self._most = _PIECE_BYTES
        self._burst = 0
        self._full = False
        """Whether the last read got all that it asked for, so that there is probably more, and more may be read now."""
        self._ahead = b""
        """What `wait` found and read."""
        self._run: tuple[int, bytes] | None = None
        """The same of a run of large chunks: how many octets came, and the content among them."""
        self._flooded = False
        """Whether more came behind a chunked body than is kept: no next request is read then."""

    def at_hand(self) -> bool:
        """Whether all of the body that was not handed on yet was received already."""
        return self.done or (self.length is not None and self._unreader.buf.tell() >= self._left > 0)

    def received(self) -> bytes:
        """Return what is here already of a body with a length, and was not handed on."""
        received: bytes = self._unreader.buf.getvalue()
        return received[: self._left]

    def wait(self, seconds: float | None) -> bool:
        """Wait until octets can be read; False when ``seconds`` passed first."""
        sock = self._unreader.sock
        if self._complete or self._ahead or self._run or self._unreader.buf.tell():
            return True
        if (secure := isinstance(sock, SSLSocket)) and sock.pending():
            return True
        limit = None
        try:
            if self._full and not secure:
                # Asking whether there is more costs as much as reading it. gevent's plain socket does not wait.
                self._full = False
                with suppress(BlockingIOError):
                    self._run = self._read_run()
                    if self._run is None:
                        self._ahead = sock._sock.recv(self._asked())
                    return True
            self.send_continue()
            limit = Limit(seconds)
            wait_readable(sock)
        except Late:
            return False
        except OSError:
            return True  # The connection broke: reading from it says so.
        finally:
            if limit is not None:
                limit.stop()
        return True

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives, in pieces of up to 512 KiB.

        A second call goes on behind the last piece, so that whoever read may be stopped, even within a wait.
        Raises ``FailureError`` with UPLOAD_CUT where the client stops early and BAD_REQUEST where its framing breaks.
        """
        if self.done:
            return
        try:
            yield from self._known_length() if self.length is not None else self._chunked()
        except NoMoreData as error:
            self.failed = True
            raise FailureError(Failure(UPLOAD_CUT, "the client's body ended early")) from error
        except OSError as error:
            self.failed = True
            raise FailureError(Failure(UPLOAD_CUT, "the client's connection broke during its upload")) from error
        self.done = not self._flooded

    def _known_length(self) -> Iterator[bytes]:
        while self._left:
            piece = self._read()
            if not piece:
                raise NoMoreData()
            if len(piece) > self._left:
                self._unreader.unread(piece[self._left :])
                piece = piece[: self._left]
            self._left -= len(piece)
            self._complete = not self._left
            yield piece

    def _chunked(self) -> Iterator[bytes]:
        decoder = self._decoder = self._decoder or ChunkedDecoder()
        self._runs = self._runs or RunReader(decoder, _LARGE_PIECE_BYTES)
        while self._run is not None or not decoder.over:
            content = [self._chunked_piece(decoder)]
            self._complete = decoder.over  # Also where it is broken: nothing more is waited for.
            if content[0]:
                yield content.pop()  # It is not held here while the next is waited for: a few octets may hold 512 KiB.
        if decoder.broken is not None:
            self.failed = True
            raise FailureError(Failure(BAD_REQUEST, decoder.broken))
        rest, decoder.rest = decoder.rest, b""
        if len(rest) <= _PIECE_BYTES:
            self._unreader.unread(rest)
        else:
            # It would be kept for as long as the next answer lasts. Who asks so far ahead has to ask again.
            self._flooded = True

    def _chunked_piece(self, decoder: ChunkedDecoder) -> bytes:
        with suppress(BlockingIOError):
            self._run = self._run or self._read_run()
        if self._run is not None:
            (came, piece), self._run = self._run, None
            self._count(came, self._most)
        else:
            data = self._read()
            came, piece = len(data), decoder.feed(data) if data else b""
        if not came:
            raise NoMoreData()
        return piece

    def _read_run(self) -> tuple[int, bytes] | None:
        """Read what is there of a run of large chunks; None where there is no such run."""
        runs = self._runs
        if runs is None or self._most < _LARGE_PIECE_BYTES or not runs.ready():
            return None
        sock = self._unreader.sock
        if self._ahead or self._unreader.buf.tell() or isinstance(sock, SSLSocket):
            return None
        return runs.read(sock._sock.recvmsg_into)

    def _asked(self) -> int:
        """Return how much to read at once: no octet behind a body whose length is known."""
        return self._most if self.length is None else min(self._left, self._most)

    def _read(self) -> bytes:
        """Return what comes next, ``b""`` at the end of the connection."""
        asked = self._asked()
        data, self._ahead = self._ahead, b""
        if not data:
            data = self._unreader.read(None, read_ahead=asked)
        self._count(len(data), asked)
        return data

    def _count(self, came: int, asked: int) -> None:
        """Decide how much to read the next time, and whether it may be at once."""
        self._full = came >= asked
        if self._full:
            self._most = min(self._most * _GROWTH, _LARGE_PIECE_BYTES)
            self._burst += 1
            if self._burst == _BURST_READS:
                self._full, self._burst = False, 0
        elif came * _GROWTH < self._most:
            self._most = _PIECE_BYTES

    def send_continue(self) -> None:
        """Tell a client that waits for it to send its body (RFC 9110 section 10.1.1); once."""
        if self.wants_continue:
            self.wants_continue = False
            self._unreader.sock.sendall(_CONTINUE)

    def read(self, size: int | None = None) -> bytes:
        """Part of the WSGI interface; the gateway itself reads `pieces`."""
        raise NotImplementedError("the request's body is read as it arrives, by the upload")
