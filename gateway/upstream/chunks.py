"""A reply's body as chunks: each is handed over the moment it arrives, and the connection the moment it is free."""

from collections.abc import Callable, Iterator

from gateway.exchange.failure import INTERNAL, Failure, FailureError
from gateway.exchange.message import ReplyHead
from gateway.exchange.scattered import RunReader
from gateway.upstream import translate
from gateway.upstream.bodies import ChunkedBody, Decoder, decoder
from gateway.upstream.connection import Connection
from gateway.upstream.head import FramedHead, Framing

SMALL_READ_OCTETS = 16 * 1024
LARGE_READ_OCTETS = 256 * 1024
BULK_READ_OCTETS = 512 * 1024
"""Where nobody looks into a chunk: it costs nothing that grows with it, and what each one costs is halved."""
_GROWTH = 4
_BURST_READS = 4
"""How many reads in a row may do without a wait: then all others have their turn, however fast the upstream is."""
_BURST_RECORDS = 16
"""The same where reading waits by itself: TLS hands over one record at a time, of 16 KiB at most."""


class Body:
    """The answer on one connection: its head, and the octets that follow.

    The connection goes back as soon as the body has ended, before its last chunk is handed over: the client's pace
    is not the pool's. If anything is wrong with it, or was left undone, it is closed instead.
    """

    __slots__ = ("_connection", "_decoder", "_early", "_give_back", "_persistent", "head", "length")

    def __init__(self, connection: Connection, framed: FramedHead, give_back: Callable[[Connection], None]) -> None:
        self.head: ReplyHead = framed.head
        self.length = None if framed.framing in (Framing.CHUNKED, Framing.CLOSE) else framed.length
        """Octets of the body, None where only its end will tell."""
        self._connection: Connection | None = connection
        self._give_back = give_back
        self._persistent = framed.persistent
        self._decoder = of_body = decoder(framed)
        self._early: bytes | None = None
        """What came along with the head; None once it was asked for."""
        self._early = b"" if of_body.over else of_body.feed(framed.rest)
        if of_body.over:
            self._end(of_body)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body as it arrives; see `chunks`."""
        return self.chunks()

    def chunks(self, most: int = LARGE_READ_OCTETS) -> Iterator[bytes]:
        """Yield the body as it arrives, at most ``most`` octets at once.

        Raises ``FailureError``: BODY_CUT, BODY_INVALID; INTERNAL when read twice.
        """
        early, self._early = self._early, None
        if early is None:
            raise FailureError(Failure(INTERNAL, "a body was read twice, or after it was closed"))
        of_body = self._decoder
        if of_body.over and of_body.failure is None:
            return iter((early,) if early else ())
        return self._chunks(early, most)

    def ready(self) -> bool:
        """Whether the first chunk, or the end, came along with the head."""
        return bool(self._early) or self._decoder.over

    def close(self) -> None:
        """Give up what is left of the body, and its connection with it. Harmless at any time."""
        self._early = None
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _chunks(self, early: bytes, most: int) -> Iterator[bytes]:
        """Yield until the decoder says that it is over: small reads for events, large ones for bulk."""
        of_body = self._decoder
        connection = self._connection
        try:
            if early:
                yield early
            if connection is not None:
                recv, wait, sock = connection.reading()
                feed = of_body.feed
                runs = None
                if wait is not None and most == BULK_READ_OCTETS and isinstance(of_body, ChunkedBody):
                    runs = RunReader(of_body, most)
                size, burst = SMALL_READ_OCTETS, 0
                drained, over = True, of_body.over
                while not over:
                    if wait is None:
                        burst += 1
                        if burst == _BURST_RECORDS:
                            burst = 0
                            connection.let_others_run()
                    elif drained:
                        wait(sock)
                    try:
                        if size < BULK_READ_OCTETS or runs is None or not runs.ready():
                            data = recv(size)
                            received = len(data)
                            early = feed(data) if data else b""
                            data = b""  # Nothing is held while others have it: the next read takes the same memory.
                        else:
                            received, early = runs.read(connection.fill)
                    except BlockingIOError:
                        drained = True  # There was just enough for the last read, or a wait that ended early.
                        continue
                    if not received:
                        of_body.close()
                        break
                    drained = received < size
                    if not drained:
                        size = min(size * _GROWTH, most)
                        if wait is not None:
                            burst += 1
                            if burst == _BURST_READS:
                                drained, burst = True, 0
                    elif received * _GROWTH < size:
                        size = SMALL_READ_OCTETS
                    over = of_body.over
                    if over:
                        self._end(of_body)
                    if early:
                        yield early
                        early = b""
        except OSError as error:
            raise FailureError(translate.reading(error)) from error
        finally:
            self._drop()
        if of_body.failure is not None:
            raise FailureError(of_body.failure)

    def _end(self, of_body: Decoder) -> None:
        """The body has ended: let the connection go where another request may follow on it."""
        connection = self._connection
        if connection is None:
            return
        if self._persistent and of_body.failure is None and not of_body.surplus and connection.sent_whole:
            self._connection = None
            self._give_back(connection)
        else:
            self._drop()
