"""What an attempt tells while it is opened, turned into deadlines: connect, then the first byte of an answer."""

from collections.abc import Callable

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CONNECT_TIMEOUT, FIRST_BYTE_TIMEOUT, FIRST_FRAME_TIMEOUT, Failure
from gateway.exchange.fields import end_to_end
from gateway.exchange.message import ReplyHead
from gateway.exchange.route import Timeouts
from gateway.relay.interrupts import Interrupts


class OpeningWatch:
    """The ``watch`` that ``upstream.opening`` reports to."""

    __slots__ = ("_clock", "_exchange", "_interim", "_interrupts", "_timeouts")

    def __init__(
        self,
        exchange: Exchange,
        timeouts: Timeouts,
        interrupts: Interrupts,
        clock: Callable[[], float],
        interim: Callable[[ReplyHead], None],
    ) -> None:
        """``interim`` sends an interim response to the client."""
        self._exchange = exchange
        self._timeouts = timeouts
        self._interrupts = interrupts
        self._clock = clock
        self._interim = interim

    def connecting(self) -> None:
        """The attempt begins to look for a connection."""
        self._note_connecting(True)
        self._interrupts.enter(CONNECT_TIMEOUT, self._timeouts.connect)

    def connected(self) -> None:
        """It has one. While the request is sent, the upload has limits of its own."""
        self._note_connecting(False)
        self._interrupts.enter(None, None)

    def _note_connecting(self, connecting: bool) -> None:
        if self._exchange.attempts:
            self._exchange.attempts[-1].connecting = connecting

    def sent(self) -> None:
        """The whole request is on its way: from now on the upstream lets us wait."""
        now = self._clock()
        if self._exchange.attempts:
            self._exchange.attempts[-1].sent_at = now
        if self._awaits_a_frame():
            self._expect_first_frame(now)
        if self._exchange.head_at is None:
            self._interrupts.enter(FIRST_BYTE_TIMEOUT, self._timeouts.first_byte)

    def taken_over(self, attempt: Attempt) -> None:
        """The head of an attempt is there that was opened under another watch, with deadlines of its own."""
        if attempt.sent_at is not None:
            self._expect_first_frame(attempt.sent_at)

    def _expect_first_frame(self, sent_at: float) -> None:
        first_frame = self._timeouts.first_frame
        if first_frame is not None:
            self._interrupts.expect(Failure(FIRST_FRAME_TIMEOUT, f"after {first_frame:g} s"), sent_at + first_frame)

    def _awaits_a_frame(self) -> bool:
        """Whether the first frame is still to come; the end of an upload may come behind it."""
        marks = self._exchange.marks
        return self._exchange.head_at is None or (marks is not None and not marks.meaningful)

    def answered(self) -> None:
        """The head of the final answer is there."""
        self._exchange.head_at = self._clock()
        self._interrupts.enter(None, None)

    def informational(self, head: ReplyHead) -> None:
        """An interim answer came; a proxy passes on those it did not ask for itself (RFC 9110 section 15.2)."""
        self._interim(ReplyHead(head.status, head.reason, end_to_end(head.fields)))
