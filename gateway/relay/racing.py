"""Two attempts under way at once: the first good answer is taken, the other attempt is let go.

Each is opened in a greenlet of its own, with deadlines of its own that strike only there. The exchange's greenlet waits
for them: whatever ends the exchange is thrown into it as ever, and lets both go. It takes over the reply that counts
and reads its connection from then on. Between the decision and the return nothing waits, so that nothing can be thrown
in between: letting go is asked of the loop, which does it next.
"""

from collections.abc import Callable
from typing import Protocol

import gevent
from gevent.event import Event

from gateway.exchange.attempt import Attempt, Hedge
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import INTERNAL, SUPERSEDED, Failure, FailureError, Interruption
from gateway.exchange.message import Reply, ReplyHead
from gateway.relay.interrupts import Interrupts
from gateway.relay.opening_watch import OpeningWatch

Rival = Callable[[Exchange, Hedge], Attempt | None]
"""Returns an attempt, ready to be opened, to make beside the one under way; None where there is none to make."""


class OpenOne(Protocol):
    """Opens one attempt; see ``Opener.open``."""

    def __call__(self, exchange: Exchange, attempt: Attempt, watch: OpeningWatch, /) -> Reply: ...


class Racer:
    """One attempt and the greenlet that opens it."""

    def __init__(self, exchange: Exchange, attempt: Attempt, changed: Event, clock: Callable[[], float]) -> None:
        self.attempt = attempt
        self.record = Exchange(
            exchange.id, exchange.request, exchange.started, route=exchange.route, attempts=[attempt]
        )
        """What the watch on this attempt writes down: it is not yet what the exchange came to."""
        self.hints: list[ReplyHead] = []
        """Interim answers, for the client if this one wins; the reader of heads bounds their number."""
        self.reply: Reply | None = None
        self.defect: Exception | None = None
        self._changed = changed
        self._clock = clock
        self._given_up = False
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def __repr__(self) -> str:
        return f"<Racer at {self.attempt.endpoint}{', over' if self.over else ''}>"

    @property
    def over(self) -> bool:
        """Whether it has brought what it will bring."""
        return self.attempt.ended is not None

    def start(self, exchange: Exchange, open_: OpenOne) -> None:
        """Begin to open the attempt."""
        self._greenlet = gevent.spawn(self._run, exchange, open_)

    def give_up(self, failure: Failure | None) -> None:
        """Let the attempt go, for ``failure``; None where it has come to an end of its own. Returns at once."""
        self._given_up = True
        attempt, reply, self.reply = self.attempt, self.reply, None
        if reply is not None:
            reply.chunks.close()
        elif self._greenlet is not None:
            self._greenlet.kill(block=False)
        if attempt.failure is None:
            attempt.failure = failure
        if attempt.ended is None:
            attempt.ended = self._clock()
        if attempt.give_up is not None:
            attempt.give_up()

    def _run(self, exchange: Exchange, open_: OpenOne) -> None:
        interrupts = Interrupts(self._clock)
        assert exchange.route is not None
        watch = OpeningWatch(self.record, exchange.route.timeouts, interrupts, self._clock, self.hints.append)
        try:
            reply = open_(exchange, self.attempt, watch)
        except (FailureError, Interruption) as error:
            if not self._given_up:
                self.attempt.failure = error.failure
        except Exception as error:
            self.defect = error
            self.attempt.failure = Failure(INTERNAL, type(error).__name__)
        else:
            if self._given_up:
                reply.chunks.close()  # It came in the very turn of the loop in which it was let go.
            else:
                self.reply = reply
        finally:
            interrupts.disarm()
            if self.attempt.ended is None:
                self.attempt.ended = self._clock()
            self._changed.set()


class Race:
    """One exchange's attempts that are under way together."""

    def __init__(self, exchange: Exchange, open_: OpenOne, rival: Rival, clock: Callable[[], float]) -> None:
        self._exchange = exchange
        self._open = open_
        self._rival = rival
        self._clock = clock
        self._changed = Event()
        self._racers: list[Racer] = []

    def run(self, first: Attempt, hedge: Hedge, interim: Callable[[ReplyHead], None]) -> Reply:
        """Open ``first``, and another attempt beside it if it lets us wait; return the reply that counts.

        The attempt that counts is the last of ``exchange.attempts`` then; the other has ended, with everything given
        back. Where none brought a good answer the latest reply counts, or else the latest failure, which is raised as
        ``FailureError``. What an interrupter throws passes, with both let go.
        """
        exchange = self._exchange
        try:
            self._start(first)
            if not self._changed.wait(hedge.after_seconds):
                other = self._rival(exchange, hedge)
                if other is not None:
                    self._start(other)
            decisive = self._decide(hedge)
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            hedge.ended(self._clock())
        self._settle(decisive, hedge)
        if decisive.reply is None:
            assert decisive.attempt.failure is not None
            raise FailureError(decisive.attempt.failure)
        try:
            for hint in decisive.hints:
                interim(hint)
        except BaseException:
            decisive.reply.chunks.close()
            raise
        return decisive.reply

    def _start(self, attempt: Attempt) -> None:
        racer = Racer(self._exchange, attempt, self._changed, self._clock)
        self._racers.append(racer)
        racer.start(self._exchange, self._open)

    def _decide(self, hedge: Hedge) -> Racer:
        """Wait for the racer that counts."""
        while True:
            self._changed.clear()
            for racer in self._racers:
                if racer.defect is not None:
                    raise racer.defect
                if racer.reply is not None and hedge.good(racer.attempt):
                    return racer
            if all(racer.over for racer in self._racers):
                return max(self._racers, key=lambda racer: (racer.reply is not None, racer.attempt.ended))
            self._changed.wait()

    def _settle(self, decisive: Racer, hedge: Hedge) -> None:
        """Let the other go, and let the exchange go on with ``decisive``."""
        exchange, won = self._exchange, decisive.attempt
        for racer in self._racers:
            if racer is not decisive:
                ended = racer.over and (racer.reply is None or not hedge.good(racer.attempt))
                racer.give_up(None if ended else Failure(SUPERSEDED))
                exchange.hedged = "won" if won.hedging else "lost"
        exchange.attempts[:] = [*(each for each in exchange.attempts if each is not won), won]
        exchange.head_at = decisive.record.head_at

    def _abandon(self, error: BaseException) -> None:
        """Let both go: the exchange ends here."""
        if isinstance(error, FailureError | Interruption):
            failure = error.failure
        else:
            failure = Failure(INTERNAL, type(error).__name__)
        for racer in self._racers:
            racer.give_up(None if racer.over else failure)
