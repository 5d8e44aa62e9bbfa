"""Two attempts under way at once: which one counts, what becomes of the other, and what ends both."""

import time
from collections.abc import Callable
from dataclasses import replace

import gevent
import pytest
from gevent.event import Event
from support.conditions import wait_until
from support.exchanges import ListedChunks, a_failure, a_reply, a_route, an_attempt, an_exchange

from gateway.exchange.attempt import Attempt, Hedge
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    CLIENT_GONE,
    CONNECT_REFUSED,
    FIRST_BYTE_TIMEOUT,
    HEAD_MISSING,
    INTERNAL,
    SUPERSEDED,
    Failure,
    FailureError,
    Interruption,
    Kind,
)
from gateway.exchange.message import Reply, ReplyHead
from gateway.exchange.route import Timeouts
from gateway.relay.interrupts import Interrupts
from gateway.relay.opening_watch import OpeningWatch
from gateway.relay.racing import Race

AFTER = 0.03
Act = Callable[[Attempt, OpeningWatch], Reply]
"""What the upstream does with one attempt; returning it, raising, or waiting on something of gevent's."""


class Track:
    """A race with scripted attempts; it writes down who began, who was cancelled and what was given back."""

    def __init__(self, *acts: Act, rival: bool = True, timeouts: Timeouts | None = None) -> None:
        self.exchange = an_exchange(route=a_route(timeouts=timeouts or Timeouts(first_byte=5.0)))
        self.first = self.attempt()
        self.other: Attempt | None = None
        self.began: list[Attempt] = []
        self.cancelled: list[Attempt] = []
        self.given_up: list[Attempt] = []
        self.hints: list[ReplyHead] = []
        self.hedges_ended = 0
        self._acts = iter(acts)
        self._rival = rival
        self.hedge = Hedge(AFTER, lambda now: True, lambda attempt: attempt.status == 200, self._ended)

    def attempt(self) -> Attempt:
        attempt = an_attempt()
        attempt.started = time.monotonic()
        attempt.give_up = lambda: self.given_up.append(attempt)
        self.exchange.attempts.append(attempt)
        return attempt

    def _ended(self, now: float) -> None:
        self.hedges_ended += 1

    def rival(self, exchange: Exchange, hedge: Hedge) -> Attempt | None:
        if not self._rival:
            return None
        self.other = self.attempt()
        self.other.hedging = True
        return self.other

    def open(self, exchange: Exchange, attempt: Attempt, watch: OpeningWatch) -> Reply:
        self.began.append(attempt)
        try:
            watch.sent()
            reply = next(self._acts)(attempt, watch)
        except gevent.GreenletExit:
            self.cancelled.append(attempt)
            raise
        attempt.status = reply.head.status
        watch.answered()
        return reply

    def run(self) -> Reply:
        return Race(self.exchange, self.open, self.rival, time.monotonic).run(self.first, self.hedge, self.hints.append)

    def failure(self) -> Kind:
        with pytest.raises(FailureError) as caught:
            self.run()
        return caught.value.failure.kind


def replies(after: float = 0.0, status: int = 200, chunks: ListedChunks | None = None) -> Act:
    def act(attempt: Attempt, watch: OpeningWatch) -> Reply:
        gevent.sleep(after)
        return a_reply(status, chunks=chunks)

    return act


def fails(kind: Kind, after: float = 0.0) -> Act:
    def act(attempt: Attempt, watch: OpeningWatch) -> Reply:
        gevent.sleep(after)
        attempt.failure = Failure(kind)
        raise a_failure(kind)

    return act


def hangs(attempt: Attempt, watch: OpeningWatch) -> Reply:
    Event().wait()
    raise AssertionError("nobody sets it")


def test_fast_first_attempt_runs_alone() -> None:
    """Nobody else is asked when the answer is there before the delay is over."""
    track = Track(replies())

    assert track.run().head.status == 200
    assert (track.began, track.exchange.attempts, track.exchange.hedged) == ([track.first], [track.first], None)
    assert track.given_up == []
    assert track.hedges_ended == 1


def test_slow_first_attempt_is_overtaken_and_let_go() -> None:
    """The second's reply is taken; the first ends as superseded, is cancelled and gives back what it holds."""
    track = Track(hangs, replies())

    track.run()

    assert track.exchange.attempts == [track.first, track.other]
    assert track.exchange.attempts[-1] is track.other
    assert track.exchange.hedged == "won"
    assert track.first.failure == Failure(SUPERSEDED)
    assert track.first.ended is not None
    assert track.given_up == [track.first]
    wait_in_loop(lambda: track.cancelled == [track.first])


def wait_in_loop(condition: Callable[[], bool]) -> None:
    """Wait with the loop running, which a wait in the thread would stop."""
    wait_until(lambda: gevent.sleep(0.001) or condition(), 1.0, "the loop to do it")


def test_first_attempt_that_answers_first_wins_all_the_same() -> None:
    """The second is let go, and the one that counts is the last of the exchange's attempts."""
    track = Track(replies(AFTER * 2), hangs)

    track.run()

    assert [each is track.first for each in track.exchange.attempts] == [False, True]
    assert track.exchange.hedged == "lost"
    assert track.other is not None
    assert track.other.failure == Failure(SUPERSEDED)
    wait_in_loop(lambda: track.cancelled == [track.other])


def test_reply_that_comes_in_the_same_turn_is_closed() -> None:
    """Both were opened; only one has a reader."""
    losing = ListedChunks(b"x")
    both = Event()

    def together(chunks: ListedChunks | None) -> Act:
        def act(attempt: Attempt, watch: OpeningWatch) -> Reply:
            both.wait()
            return a_reply(chunks=chunks)

        return act

    track = Track(together(None), together(losing))
    gevent.spawn_later(AFTER * 3, both.set)

    track.run()

    wait_in_loop(lambda: losing.closed > 0)
    assert track.other is not None
    assert track.other.failure == Failure(SUPERSEDED)


def test_reply_that_comes_between_the_decision_and_the_letting_go_is_closed() -> None:
    """The loop has it at hand already when the attempt is let go."""
    losing, decided = ListedChunks(b"x"), Event()

    def awaits(attempt: Attempt, watch: OpeningWatch) -> Reply:
        decided.wait()
        return a_reply(chunks=losing)

    track = Track(awaits, replies())

    def good(attempt: Attempt) -> bool:
        decided.set()
        return True

    track.hedge = replace(track.hedge, good=good)
    track.run()

    wait_in_loop(lambda: losing.closed == 1)
    assert track.cancelled == []
    assert track.first.failure == Failure(SUPERSEDED)


def test_no_second_attempt_where_there_is_none_to_make() -> None:
    """No other endpoint, or too many hedges already: the first is waited for."""
    track = Track(replies(AFTER * 2), rival=False)

    assert track.run().head.status == 200
    assert track.exchange.hedged is None


def test_failure_before_the_delay_ends_the_race_at_once() -> None:
    """What follows is the retry's to say; no hedge is made for it."""
    track = Track(fails(CONNECT_REFUSED))

    assert track.failure() is CONNECT_REFUSED
    assert track.other is None


@pytest.mark.parametrize("first", [fails(HEAD_MISSING, AFTER * 2), replies(AFTER * 2, 503)], ids=["failure", "503"])
def test_bad_end_beside_a_running_attempt_leaves_it_the_field(first: Act) -> None:
    """The other one's good answer is waited for; the bad end keeps its own name."""
    track = Track(first, replies(AFTER * 3))

    assert track.run().head.status == 200
    assert track.exchange.attempts[-1] is track.other
    assert track.first.failure is None or track.first.failure.kind is HEAD_MISSING
    assert track.given_up == [track.first]


def test_two_failures_end_with_the_later() -> None:
    """The last word is the upstream's last."""
    track = Track(fails(HEAD_MISSING, AFTER * 4), fails(CONNECT_REFUSED))

    assert track.failure() is HEAD_MISSING
    assert track.exchange.attempts[-1] is track.first


@pytest.mark.parametrize("late", [0, 4])
def test_bad_answer_counts_more_than_none(late: float) -> None:
    """The upstream's own 503 is told rather than a failure of ours, whichever came later."""
    chunks = ListedChunks(b"busy")
    track = Track(replies(AFTER * 2, 503, chunks), fails(CONNECT_REFUSED, AFTER * late))

    assert track.run().head.status == 503
    assert track.exchange.attempts[-1] is track.first
    assert chunks.closed == 0


def test_of_two_bad_answers_the_later_counts() -> None:
    """The one before it is closed."""
    chunks = ListedChunks(b"busy")
    track = Track(replies(AFTER * 2, 503, chunks), replies(AFTER * 3, 500))

    assert track.run().head.status == 500
    assert chunks.closed == 1
    assert track.first.failure is None


def test_deadline_strikes_one_attempt_only() -> None:
    """Each has a first byte of its own to wait for."""

    def behind_the_first(attempt: Attempt, watch: OpeningWatch) -> Reply:
        while track.first.ended is None:
            gevent.sleep(0.001)
        return a_reply()

    track = Track(hangs, behind_the_first, timeouts=Timeouts(first_byte=AFTER * 4))

    assert track.run().head.status == 200
    assert track.first.failure is not None
    assert track.first.failure.kind is FIRST_BYTE_TIMEOUT


def test_client_that_leaves_ends_both() -> None:
    """Both are cancelled, and neither counts against its endpoint."""
    track = Track(hangs, hangs)
    interrupts = Interrupts(time.monotonic)
    gevent.spawn_later(AFTER * 3, interrupts.interrupt, Failure(CLIENT_GONE))

    with pytest.raises(Interruption):
        track.run()

    wait_in_loop(lambda: track.cancelled == [track.first, track.other])
    assert track.given_up == [track.first, track.other]
    assert {each.failure for each in track.exchange.attempts} == {Failure(CLIENT_GONE)}
    assert track.hedges_ended == 1


def test_defect_of_ours_ends_the_race_as_one() -> None:
    """It is raised where the spine reports it, not printed by the loop."""

    def breaks(attempt: Attempt, watch: OpeningWatch) -> Reply:
        raise ValueError("ours")

    track = Track(hangs, breaks)

    with pytest.raises(ValueError, match="ours"):
        track.run()
    wait_in_loop(lambda: track.cancelled == [track.first])
    assert track.other is not None
    assert track.other.failure == Failure(INTERNAL, "ValueError")


def test_times_of_the_exchange_are_those_of_the_winner() -> None:
    """The loser's moments are its own."""
    track = Track(replies(AFTER * 4, 503), replies(AFTER))

    track.run()
    gevent.sleep(AFTER * 4)

    assert track.other is not None
    assert track.other.sent_at is not None
    assert track.first.sent_at is not None
    assert track.exchange.head_at is not None
    assert track.other.sent_at - track.first.sent_at >= AFTER * 0.9
    assert track.exchange.head_at - track.other.sent_at == pytest.approx(AFTER, abs=AFTER * 0.9)


def test_early_hints_of_the_winner_alone_reach_the_client() -> None:
    """Those of the other speak of an answer that nobody gets."""

    def hinting(name: str, act: Act) -> Act:
        def hint(attempt: Attempt, watch: OpeningWatch) -> Reply:
            watch.informational(ReplyHead(103, "", [("Link", name)]))
            return act(attempt, watch)

        return hint

    track = Track(hinting("first", hangs), hinting("other", replies()))

    track.run()

    assert [each.fields for each in track.hints] == [[("Link", "other")]]


def test_client_that_breaks_while_it_is_told_hints_lets_the_reply_go() -> None:
    """Nobody else knows of the reply yet."""
    chunks = ListedChunks(b"x")

    def hinting(attempt: Attempt, watch: OpeningWatch) -> Reply:
        watch.informational(ReplyHead(103, "", []))
        return a_reply(chunks=chunks)

    track = Track(hinting)

    def leave(head: ReplyHead) -> None:
        raise Interruption(Failure(CLIENT_GONE))

    with pytest.raises(Interruption):
        Race(track.exchange, track.open, track.rival, time.monotonic).run(track.first, track.hedge, leave)
    assert chunks.closed == 1
