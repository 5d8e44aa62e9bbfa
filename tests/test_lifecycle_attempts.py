"""The spine between two attempts: what is given up, what is waited for, and what ends the exchange meanwhile."""

import itertools
from dataclasses import replace

import pytest
from support.exchanges import ENDPOINT, a_failure, a_reply, a_route, an_exchange

from gateway.exchange.attempt import Attempt, Hedge
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    BODY_CUT,
    CLIENT_GONE,
    CREDENTIALS_MISSING,
    IDLE_TIMEOUT,
    SEND_TIMEOUT,
    Abort,
    Failure,
    FailureError,
    Interruption,
)
from gateway.exchange.message import Reply
from gateway.exchange.target import Endpoint, parse_endpoint
from gateway.lifecycle import Open, Spine, phases
from gateway.policy.hooks import Hooks, Verdict

ROUTE = a_route()
OTHER = parse_endpoint("http://127.0.0.1:9001/base")


class Rig:
    """A spine whose attempts are judged as listed; it writes down what is opened and judged."""

    def __init__(self, *verdicts: Verdict, pause_seconds: float = 0.0) -> None:
        self.seen: list[str] = []
        self._verdicts = iter(verdicts)
        self._pause_seconds = pause_seconds
        clock = itertools.count(101.0)
        self.spine = Spine(
            accept=lambda exchange: setattr(exchange, "route", ROUTE),
            phases={ROUTE.name: phases([Hooks(judge=self._judge)])},
            unrouted=phases([]),
            select=lambda exchange: ENDPOINT,
            clock=lambda: next(clock),
            report=lambda exchange, error: self.seen.append(repr(error)),
        )

    def _judge(self, exchange: Exchange, attempt: Attempt) -> Verdict:
        self.seen.append("judge")
        attempt.pause_seconds = self._pause_seconds
        return next(self._verdicts)

    def opening(self, *results: Reply | BaseException) -> Open:
        """Return an ``open`` whose calls return, or raise, one of ``results`` after the other."""
        remaining = iter(results)

        def open_(exchange: Exchange, attempt: Attempt) -> Reply:
            self.seen.append("open")
            result = next(remaining)
            if isinstance(result, BaseException):
                raise result
            return result

        return open_


class Upload:
    """A body on its way up that writes down what becomes of it."""

    length = None
    replayable = True

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    def start(self, write: object, finish: object) -> None:
        raise AssertionError("nobody opens a connection here")

    def stop(self) -> None:
        self._seen.append("stop")

    def settle(self) -> None:
        self._seen.append("settle")


def test_upload_is_stopped_before_the_pause_and_settled_with_the_reply() -> None:
    """Two attempts never take octets of one body; what was kept for another attempt goes when there is none."""
    rig, exchange = Rig(Verdict.RETRY, Verdict.TAKE), an_exchange()
    exchange.upload = Upload(rig.seen)

    rig.spine.answer(
        exchange,
        rig.opening(a_failure(BODY_CUT), a_reply()),
        pause=lambda seconds: rig.seen.append(f"pause {seconds:g}"),
    )

    assert " ".join(rig.seen) == "open judge stop pause 0 open judge settle"


def test_pause_is_as_long_as_the_judge_says() -> None:
    """The wait is the attempt's own, and each attempt notes when it ended and with which head."""
    rig, exchange = Rig(Verdict.RETRY, Verdict.RETRY, Verdict.TAKE, pause_seconds=1.5), an_exchange()
    pauses: list[float] = []

    rig.spine.answer(exchange, rig.opening(a_reply(503), a_failure(BODY_CUT), a_reply(204)), pause=pauses.append)

    assert pauses == [1.5, 1.5]
    assert [attempt.head.status if attempt.head else None for attempt in exchange.attempts] == [503, None, 204]
    assert all(attempt.started < attempt.ended for attempt in exchange.attempts)


def test_client_that_leaves_within_the_pause_is_not_answered() -> None:
    """No attempt follows."""
    rig, exchange = Rig(Verdict.RETRY), an_exchange()

    def pause(seconds: float) -> None:
        raise Interruption(Failure(CLIENT_GONE))

    with pytest.raises(Abort):
        rig.spine.answer(exchange, rig.opening(a_reply(503)), pause=pause)

    assert exchange.failure.kind is CLIENT_GONE
    assert len(exchange.attempts) == 1


def test_deadline_that_the_upstream_missed_is_tried_again() -> None:
    """It ends the attempt, not the exchange."""
    rig, exchange = Rig(Verdict.RETRY, Verdict.TAKE), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening(Interruption(Failure(IDLE_TIMEOUT)), a_reply()))

    assert answer.reply.head.status == 200
    assert exchange.attempts[0].failure.kind is IDLE_TIMEOUT


class StruckUpload(Upload):
    """One whose first end is struck by what an interrupter throws."""

    def __init__(self, seen: list[str], failure: Failure) -> None:
        super().__init__(seen)
        self._failure: Failure | None = failure

    def stop(self) -> None:
        super().stop()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise Interruption(failure)


def test_deadline_of_the_upstream_that_strikes_while_an_attempt_is_let_go_changes_nothing() -> None:
    """The attempt is over; the next one begins when its upload has really ended."""
    rig, exchange = Rig(Verdict.RETRY, Verdict.TAKE), an_exchange()
    exchange.upload = StruckUpload(rig.seen, Failure(SEND_TIMEOUT))

    answer = rig.spine.answer(exchange, rig.opening(a_reply(503), a_reply()))

    assert answer.reply.head.status == 200
    assert " ".join(rig.seen) == "open judge stop stop open judge settle"


def test_client_that_leaves_while_an_attempt_is_let_go_ends_the_exchange() -> None:
    """No attempt follows."""
    rig, exchange = Rig(Verdict.RETRY), an_exchange()
    exchange.upload = StruckUpload(rig.seen, Failure(CLIENT_GONE))

    with pytest.raises(Abort):
        rig.spine.answer(exchange, rig.opening(a_reply(503)))

    assert exchange.failure is not None
    assert exchange.failure.kind is CLIENT_GONE
    assert len(exchange.attempts) == 1


def test_rival_is_prepared_as_any_attempt_and_the_last_one_counts() -> None:
    """What ``open`` leaves at the end of the attempts is judged; the other was only beside it."""
    rig, exchange = Rig(Verdict.TAKE), an_exchange()
    spine = replace(rig.spine, another=lambda exchange: OTHER)
    hedge = Hedge(1.0, lambda now: True, lambda attempt: True, lambda now: None)

    def open_(exchange: Exchange, attempt: Attempt) -> Reply:
        rival = spine.rival(exchange, hedge)
        assert rival is not None
        assert (rival.endpoint, rival.hedging, rival.fresh, rival.fields) == (OTHER, True, False, [])
        rival.status = 200
        return a_reply()

    spine.answer(exchange, open_)

    first, second = exchange.attempts
    assert (first.endpoint, first.head, first.ended) == (ENDPOINT, None, None)
    assert (second.endpoint, second.hedging) == (OTHER, True)
    assert second.head is not None
    assert second.ended is not None


def test_failure_of_a_race_is_that_of_the_attempt_that_counts() -> None:
    """It is the last of the exchange, whichever was begun first."""
    rig, exchange = Rig(Verdict.TAKE), an_exchange()
    spine = replace(rig.spine, another=lambda exchange: OTHER)

    def open_(exchange: Exchange, attempt: Attempt) -> Reply:
        spine.rival(exchange, Hedge(1.0, lambda now: True, lambda attempt: True, lambda now: None))
        raise a_failure(BODY_CUT)

    spine.answer(exchange, open_)

    assert [each.failure is not None for each in exchange.attempts] == [False, True]


def test_rival_that_cannot_be_prepared_leaves_the_first_attempt_alone() -> None:
    """Another endpoint may want a credential that is not there; the first attempt is waited for all the same."""
    rig, exchange, given_up = Rig(Verdict.TAKE), an_exchange(), list[Attempt]()
    spine = replace(rig.spine, another=lambda exchange: OTHER)

    def refuse_the_other(exchange: Exchange, attempt: Attempt) -> None:
        attempt.give_up = lambda: given_up.append(attempt)
        if attempt.endpoint == OTHER:
            raise FailureError(Failure(CREDENTIALS_MISSING))

    of_route = spine.phases[ROUTE.name]
    spine = replace(spine, phases={ROUTE.name: replace(of_route, prepare=(*of_route.prepare, refuse_the_other))})

    def open_(exchange: Exchange, attempt: Attempt) -> Reply:
        assert spine.rival(exchange, Hedge(1.0, lambda now: True, lambda attempt: True, lambda now: None)) is None
        return a_reply()

    answer = spine.answer(exchange, open_)

    assert answer.reply.head.status == 200
    assert [each.endpoint for each in exchange.attempts] == [ENDPOINT]
    assert [each.endpoint for each in given_up] == [OTHER]


def test_no_rival_for_a_client_that_has_left() -> None:
    """Reading on for the record asks nobody a second time."""
    rig, exchange = Rig(), an_exchange(route=ROUTE)
    exchange.fail(Failure(CLIENT_GONE))
    spine = replace(rig.spine, another=lambda exchange: OTHER)

    assert spine.rival(exchange, Hedge(1.0, lambda now: True, lambda attempt: True, lambda now: None)) is None
    assert exchange.attempts == []


@pytest.mark.parametrize(("endpoint", "allowed"), [(None, True), (OTHER, False)])
def test_no_rival_where_there_is_nowhere_to_go_or_too_many(endpoint: Endpoint | None, allowed: bool) -> None:
    """Nobody asks the budget where there is no other endpoint."""
    asked: list[float] = []
    rig, exchange = Rig(), an_exchange(route=ROUTE)
    spine = replace(rig.spine, another=lambda exchange: endpoint)

    def allow(now: float) -> bool:
        asked.append(now)
        return allowed

    assert spine.rival(exchange, Hedge(1.0, allow, lambda attempt: True, lambda now: None)) is None
    assert (exchange.attempts, len(asked)) == ([], 0 if endpoint is None else 1)
