"""Let a route's format watch what its upstream sends, and say at the end whether the answer was whole.

The octets pass as they are. Where the route asks for `complete = "terminal"` an answer that is not whole never ends as
if it were:

- A body that breaks its format is cut at once. The chunk in which that is seen is not passed on, also not what came
  before the break in it: what a client has must be a beginning of what was meant.
- A body with a Content-Length that the client will trust keeps its last octet back until the answer is known to be
  whole. Where the head has not gone out yet, nothing at all goes out, and the client gets a status.
- A body whose answer is whole ends well, also where its upstream does not end it (`after_terminal`) or breaks it. With
  a Content-Length it cannot: its octets are promised.

An upstream that tells an error inside the stream has failed; but its client was told, and may see a polite end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    ANSWER_MALFORMED,
    ANSWER_UNFINISHED,
    IN_BAND_ERROR,
    INTERNAL,
    Failure,
    FailureError,
    Interruption,
    Kind,
    Side,
)
from gateway.exchange.marks import Format, Marks
from gateway.exchange.message import Reply, Source
from gateway.exchange.wire import Wire
from gateway.formats.choose import choose

Expect = Callable[[Failure | None, float | None], None]
"""Interrupts the exchange with a failure at a moment; None lifts that (see ``Interrupts.expect``)."""

_LEFT_OPEN = Failure(Kind("left_open", Side.UPSTREAM, None, "", "The upstream did not end a whole answer"))
"""Ends the wait for the end of a body whose answer is whole. It never leaves this file: no exchange fails of it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of a body says about its answer."""

    failure: Failure | None = None
    """What the exchange failed of; None where it did not."""
    cut: bool = False
    """Whether the client must not see a polite end."""
    flaw: str | None = None
    """What was wrong though nothing is done about it."""


def ending(marks: Marks, missing: str | None, complete: str) -> Ending:
    """Return what a body that ends here means. ``missing`` is the format's word on it, ``complete`` the route's."""
    whole_only = complete == "terminal" and marks.unwatched is None
    flaw = marks.malformed if marks.malformed is not None else missing
    if marks.error is not None:
        # A client that was told half of an error was not told.
        half = marks.malformed is not None or (missing is not None and not marks.boundary)
        return Ending(Failure(IN_BAND_ERROR, marks.error.code), cut=whole_only and half, flaw=flaw)
    if not whole_only:
        return Ending(flaw=flaw)
    if marks.malformed is not None:
        return Ending(Failure(ANSWER_MALFORMED, marks.malformed), cut=True)
    if missing is not None:
        return Ending(Failure(ANSWER_UNFINISHED, missing), cut=True)
    return Ending()


def watched(exchange: Exchange, reply: Reply, clock: Callable[[], float], expect: Expect) -> None:
    """Put a watch on the body of an upstream's reply, where the route asks for one and there is something to watch.

    ``expect`` has the deadline of the first frame, which is lifted here where nobody would see one.
    """
    exchange.marks = exchange.wire = exchange.unwatched = exchange.first_frame_at = exchange.flaw = None
    route = exchange.route
    if route is None or route.stream.format is None or exchange.request.method == "HEAD":
        expect(None, None)
        return
    found = choose(route.stream.format, reply.head, route.stream.terminal)
    if isinstance(found, str):
        exchange.unwatched = found
        expect(None, None)
        return
    watch = Watched(exchange, reply, found, clock, expect)
    exchange.marks = found.marks
    exchange.wire = Wire(found.marks.format, watch.boundary)
    reply.chunks = watch


class Watched:
    """The chunks of a body, each shown to its format before it goes on."""

    __slots__ = ("_boundary", "_chunks", "_clock", "_exchange", "_expect", "_format", "_length", "_stream")

    def __init__(
        self, exchange: Exchange, reply: Reply, format: Format, clock: Callable[[], float], expect: Expect
    ) -> None:
        assert exchange.route is not None
        self._exchange = exchange
        self._chunks = reply.chunks
        self._length = reply.length
        self._format = format
        self._clock = clock
        self._expect = expect
        self._stream = exchange.route.stream
        self._boundary: bool | None = None
        """What `boundary` says once octets were watched and not passed on."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks as they come. Raises ``FailureError`` where the answer is not whole and must be."""
        return self._by_terminal() if self._stream.complete == "terminal" else self._by_framing()

    def boundary(self) -> bool:
        """Whether what was passed on so far ends between two frames."""
        return self._format.marks.boundary if self._boundary is None else self._boundary

    def ready(self) -> bool:
        """See `Chunks`."""
        return self._chunks.ready()

    def close(self) -> None:
        """See `Chunks`."""
        self._expect(None, None)  # Also of a body that nobody began to read: what goes out instead must not be hit.
        self._chunks.close()

    def _by_framing(self) -> Iterator[bytes]:
        feed, marks = self._format.feed, self._format.marks
        awaited = True
        try:
            for chunk in self._chunks:
                feed(chunk)
                if awaited and marks.meaningful:
                    awaited = False
                    self._first_frame()
                if marks.error is not None:
                    self._note_error()
                yield chunk
            self._end()
        finally:
            self._expect(None, None)

    def _by_terminal(self) -> Iterator[bytes]:
        try:
            if self._length is None:
                yield from self._until_whole()
            else:
                yield from self._but_the_last_octet(self._length)
        except (FailureError, Interruption) as error:
            if not self._whole_without(error.failure):
                raise
        finally:
            self._expect(None, None)

    def _until_whole(self) -> Iterator[bytes]:
        """Yield a body that can end at any time."""
        marks, after = self._format.marks, self._stream.after_terminal
        ends_at: float | None = None
        for chunk in self._checked():
            if ends_at is not None:
                self._expect(None, None)  # The client takes its time now: that must not be hit.
            yield chunk
            if marks.terminal and after is not None:
                if self._format.end() is not None:
                    ends_at = None  # Something else has begun that must come whole, too.
                    continue
                if ends_at is None:
                    ends_at = self._clock() + after
                self._expect(_LEFT_OPEN, ends_at)
        self._end()

    def _but_the_last_octet(self, length: int) -> Iterator[bytes]:
        """Yield a body of ``length`` octets; the last one only where the answer is whole."""
        left = length
        if left == 0:
            self._end()
        for chunk in self._checked():
            left -= len(chunk)
            if left == 0:
                try:
                    self._end()
                except FailureError:
                    self._boundary = False
                    if self._committed() and len(chunk) > 1:
                        yield chunk[:-1]
                    raise
            yield chunk
        self._note_error()

    def _checked(self) -> Iterator[bytes]:
        """Yield the chunks, each found good."""
        feed, marks = self._format.feed, self._format.marks
        awaited = True
        for chunk in self._chunks:
            before = marks.boundary
            feed(chunk)
            if awaited and marks.meaningful:
                awaited = False
                self._first_frame()
            if marks.error is not None:
                self._note_error()
            if marks.malformed is not None:
                self._boundary = before
                raise FailureError(ending(marks, None, "terminal").failure or Failure(ANSWER_MALFORMED))
            yield chunk

    def _first_frame(self) -> None:
        self._exchange.first_frame_at = self._clock()
        self._expect(None, None)

    def _note_error(self) -> None:
        # At once: a client that knows what it was told leaves, and that is not why the exchange failed. But not before
        # the commit, for an error that no client was told may be followed by another attempt.
        error = self._format.marks.error
        if error is not None and self._committed():
            self._exchange.fail(Failure(IN_BAND_ERROR, error.code))

    def _committed(self) -> bool:
        """Whether what is passed on goes to the client: an early head alone commits to no answer."""
        exchange = self._exchange
        if exchange.early:
            return exchange.reply is not None and exchange.reply.source is not Source.LOCAL
        return exchange.committed_at is not None

    def _end(self) -> None:
        """Judge a body that has ended by its framing; raise ``FailureError`` where the client must see it cut."""
        found = ending(self._format.marks, self._format.end(), self._stream.complete)
        self._exchange.flaw = found.flaw
        self._exchange.unwatched = self._format.marks.unwatched
        if found.failure is not None and found.cut:
            raise FailureError(found.failure)
        self._note_error()

    def _whole_without(self, failure: Failure) -> bool:
        """Whether the answer was whole before ``failure`` ended its body, so that the client may see a polite end."""
        marks = self._format.marks
        if self._length is not None or not marks.terminal or marks.malformed is not None:
            return False
        if failure.kind is INTERNAL or failure.kind.side is Side.DOWNSTREAM:
            return False
        if ending(marks, self._format.end(), "terminal").cut:
            return False
        self._exchange.flaw = f"its body was not ended: {failure.kind.code}"
        return True
