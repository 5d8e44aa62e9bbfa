"""The request's body on its way up, in a greenlet of its own, so that an early answer is seen while it runs.

The client's side and the upstream's side of an upload fail differently. A client that does not deliver ends the
exchange. An upstream that stops reading only ends the upload: its answer may be on the way (RFC 9112 section 9.3).
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import gevent

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    BODY_TOO_LARGE,
    INTERNAL,
    SEND_TIMEOUT,
    UPLOAD_RATE_TIMEOUT,
    UPLOAD_TIMEOUT,
    Failure,
    FailureError,
)
from gateway.relay.interrupts import Interrupts
from gateway.relay.late import Late, Limit
from gateway.relay.rate_watch import RateWatch

_REPLAY_PIECE_BYTES = 64 * 1024


class Body(Protocol):
    """What the server offers of a request's body."""

    length: int | None

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives; raise ``FailureError`` where the client does not deliver it whole.

        A second call goes on behind the last piece that was yielded.
        """

    def at_hand(self) -> bool:
        """Whether all of it was received with the head, so that `pieces` will not wait."""

    def received(self) -> bytes:
        """Return what can be seen of it already; `pieces` will yield it all the same."""

    def wait(self, seconds: float | None) -> bool:
        """Wait until octets can be read (or the end seen); False when ``seconds`` passed first."""


class ClientUpload:
    """Moves a client's body into an upstream. It is an ``Upload`` (see ``exchange.message``).

    For a next attempt it keeps what it took, up to ``exchange.replay_bytes``; beyond that it lets go of all of it.
    """

    def __init__(self, exchange: Exchange, body: Body, interrupts: Interrupts, done: Callable[[], None]) -> None:
        """``done`` is called once when the body has been read to its end."""
        self.length = body.length
        self._exchange = exchange
        self._body = body
        self._interrupts = interrupts
        self._done = done
        self._pump: gevent.Greenlet[..., None] | None = None
        self._kept = bytearray()
        self._replayable = True
        self._awaiting_client = False
        self._stopping = False
        self._look: Callable[[bytes], None] | None = None

    def look(self, feed: Callable[[bytes], None]) -> None:
        """Show every piece to ``feed``, too; a body that is at hand is shown at once, for it may have to wait long."""
        self._look = feed
        if self._body.at_hand():
            feed(self._body.received())

    def __repr__(self) -> str:
        return f"<ClientUpload {self._exchange.received_bytes}/{self.length}>"

    def start(self, write: Callable[[bytes], None], finish: Callable[[], None]) -> None:
        """Begin to send the body; see ``exchange.message.Upload``."""
        self._awaiting_client = self._stopping = False
        if not self._kept and self._body.at_hand():
            self._run(write, finish)
        else:
            self._watch_rate()
            self._pump = gevent.spawn(self._run, write, finish)

    def stop(self) -> None:
        """End the upload now. Harmless where it has ended, or never began."""
        pump = self._pump
        if pump is not None and pump is not gevent.getcurrent():
            # Until it has ended it may still wait on the client's socket, which somebody else reads next.
            if self._stopping:
                pump.join()  # It was told before, and the wait for its end was interrupted.
            else:
                self._stopping = True
                pump.kill()
        self._pump = None

    @property
    def replayable(self) -> bool:
        """Whether every octet that was taken from the client can still be sent."""
        return self._replayable

    @property
    def kept_bytes(self) -> int:
        """Octets that are kept to be sent again."""
        return len(self._kept)

    def collect(self, most: int) -> bytes | None:
        """Read the whole body before any of it is sent; see ``exchange.message.Upload``."""
        if self.length is not None and self.length > most:
            return None
        exchange = self._exchange
        if not exchange.upload_done:
            exchange.replay_bytes = max(exchange.replay_bytes, most)
            self._watch_rate()
            for piece in self._pieces():
                del piece  # It was kept. It need not be held while the next one is waited for, too.
                if not self._replayable or len(self._kept) > most:
                    return None  # Without waiting for an end that may never come.
            exchange.upload_done = True
            self._done()
        return bytes(self._kept) if self._replayable and len(self._kept) <= most else None

    def settle(self) -> None:
        """Keep nothing from now on; an upload that runs goes on to its end."""
        self._exchange.replay_bytes = 0
        self._replayable = not self._exchange.received_bytes
        self._kept = bytearray()

    def _watch_rate(self) -> None:
        route = self._exchange.route
        if route is not None and route.timeouts.min_rate is not None:
            self._interrupts.watch_rate(
                RateWatch(
                    UPLOAD_RATE_TIMEOUT,
                    route.timeouts.min_rate,
                    lambda: self._exchange.received_bytes,
                    lambda: self._awaiting_client and not self._answered(),
                )
            )

    def _run(self, write: Callable[[bytes], None], finish: Callable[[], None]) -> None:
        try:
            sent = self._send_all(write)
        except FailureError as error:
            self._interrupts.interrupt(error.failure)
            return
        except Exception as error:
            self._interrupts.interrupt(Failure(INTERNAL, f"upload: {type(error).__name__}"))
            raise
        if not sent:
            return
        if not self._exchange.upload_done:
            self._exchange.upload_done = True
            self._done()
        try:
            finish()
        except (OSError, FailureError):
            return  # Whoever waits for the answer sees the same broken connection, and says what it means.

    def _send_all(self, write: Callable[[bytes], None]) -> bool:
        for piece in self._pieces():
            if not self._send(write, piece):
                return False
            del piece
        return True

    def _pieces(self) -> Iterator[bytes]:
        limit = self._exchange.route.max_request_body if self._exchange.route is not None else None
        yield from self._replay()
        pieces = self._body.pieces()
        while True:
            self._awaiting_client = True
            piece = self._next(pieces)
            self._awaiting_client = False
            if piece is None:
                return
            self._exchange.received_bytes += len(piece)
            if limit is not None and self._exchange.received_bytes > limit:
                raise FailureError(Failure(BODY_TOO_LARGE, f"more than {limit} octets"))
            if self._look is not None:
                self._look(bytes(piece))  # Of a run of large chunks it is a memoryview.
            self._keep(piece)
            yield piece
            del piece  # Nobody needs it any more: the next read takes the same memory.

    def _replay(self) -> Iterator[bytes]:
        kept = self._kept  # It may be let go of while it is sent; it grows only behind that.
        for start in range(0, len(kept), _REPLAY_PIECE_BYTES):
            yield bytes(kept[start : start + _REPLAY_PIECE_BYTES])

    def _keep(self, piece: bytes) -> None:
        # One piece may arrive while it is being stopped, when it was decided already that there is a next attempt.
        room = self._stopping or len(self._kept) + len(piece) <= self._exchange.replay_bytes
        if self._replayable and room:
            self._kept += piece
        else:
            self._replayable = False
            self._kept = bytearray()

    def _next(self, pieces: Iterator[bytes]) -> bytes | None:
        while not self._body.wait(self._timeout_seconds()):
            # The limit may have been lifted while we waited: a client may be silent beside a running answer.
            if not self._answered():
                raise FailureError(Failure(UPLOAD_TIMEOUT, f"no octet for {self._timeout_seconds():g} s"))
        seconds = self._timeout_seconds()
        limit = Limit(seconds)
        try:
            return next(pieces, None)
        except Late:
            raise FailureError(Failure(UPLOAD_TIMEOUT, f"no whole piece for {seconds:g} s")) from None
        finally:
            limit.stop()

    def _send(self, write: Callable[[bytes], None], piece: bytes) -> bool:
        seconds = self._timeout_seconds()
        limit = Limit(seconds, self._taken)
        try:
            write(piece)
        except Late:
            if not self._answered():
                raise FailureError(Failure(SEND_TIMEOUT, f"no octet taken for {seconds:g} s")) from None
            return False
        except (OSError, FailureError):
            return False
        finally:
            limit.stop()
        return True

    def _taken(self) -> int:
        """How much the upstream took so far: a large piece may be long on its way and never stand still."""
        attempts = self._exchange.attempts
        return attempts[-1].taken_bytes if attempts else 0

    def _timeout_seconds(self) -> float | None:
        """Both sides of an upload that is still waited for have a limit; one beside a running answer has none."""
        route = self._exchange.route
        return None if route is None or self._answered() else route.timeouts.upload

    def _answered(self) -> bool:
        attempts = self._exchange.attempts
        return bool(attempts) and attempts[-1].status is not None
