"""Policies that meet in one exchange: what each promises alone must hold beside the others, through the real spine."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.exchanges import ListedChunks, a_failure, a_reply, a_request, a_route, an_exchange

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    CLIENT_GONE,
    CONNECT_REFUSED,
    DRAINED,
    FIRST_BYTE_TIMEOUT,
    TOTAL_TIMEOUT,
    Abort,
    Failure,
    FailureError,
    Interruption,
)
from gateway.exchange.message import Reply
from gateway.exchange.place import Place
from gateway.exchange.route import BreakerRule, Forwarding, GatewayPlan, Limit, Retry, Route, Share, Timeouts, Upstream
from gateway.exchange.target import parse_endpoint
from gateway.lifecycle import Answer, Spine, phases
from gateway.policy import retry
from gateway.policy.breaker import State
from gateway.policy.concurrency import Concurrency, learn
from gateway.policy.endpoints import Endpoints, Known
from gateway.policy.hooks import Hooks
from gateway.policy.retry_budget import ALWAYS_ALLOWED, Budget
from gateway.policy.slots import Slots

A, B = (parse_endpoint(f"http://{name}") for name in "ab")
BREAKER = BreakerRule(2, window_seconds=30, open_seconds=10, max_open_seconds=40, probes=1, statuses=((503, 503),))
RETRY = Retry(
    attempts=2, failures=frozenset({CONNECT_REFUSED.code, FIRST_BYTE_TIMEOUT.code}), statuses=frozenset({503})
)
RETRY = replace(RETRY, methods=frozenset({"GET"}))
ADAPTIVE = Limit(50, 50, (2, 50))
Result = Reply | BaseException


def a_paired_route(limit: Limit | None = None, total: float | None = None) -> Route:
    upstream = Upstream("up", (A, B), breaker=BREAKER, limit=limit)
    return replace(a_route(timeouts=Timeouts(total=total)), upstream=upstream, retry=RETRY)


class Worker:
    """One route with all policies that remember, under a clock of our own; `adopt` is a reload."""

    def __init__(self, route: Route, *more: Hooks) -> None:
        self.now = 100.0
        self.route = route
        self.more = more
        self.budget = Budget()
        self.concurrency = Concurrency(lambda: self.now)
        self.endpoints = Endpoints(route.upstream, self.now)
        self.defects: list[BaseException] = []
        self.spine = self._spine()

    def adopt(self, route: Route) -> None:
        self.route = route
        self.endpoints = Endpoints(route.upstream, self.now, before=self.endpoints)
        self.spine = self._spine()

    def _spine(self) -> Spine:
        route, endpoints = self.route, self.endpoints
        self.concurrency.adopt(GatewayPlan((route,), {"up": route.upstream}, Forwarding()))
        account = endpoints.hooks(lambda: self.now)
        of_route = [account, retry.hooks(route, self.budget, lambda: 1.0), *self.more, *self.concurrency.hooks(route)]
        return Spine(
            accept=lambda exchange: setattr(exchange, "route", route),
            phases={route.name: phases(of_route)},
            unrouted=phases([]),
            select=lambda exchange: endpoints.select(exchange, self.now),
            clock=lambda: self.now,
            report=lambda exchange, error: self.defects.append(error),
        )

    def answer(
        self,
        exchange: Exchange,
        *results: Result,
        pause: Callable[[float], None] = lambda seconds: None,
        wait: Callable[[Exchange, Place], None] | None = None,
    ) -> Answer:
        """Run an exchange up to its head; each attempt takes one of ``results``."""
        remaining = iter(results)

        def open_(exchange: Exchange, attempt: Attempt) -> Reply:
            result = next(remaining)
            if isinstance(result, BaseException):
                raise result
            attempt.status, exchange.head_at = result.head.status, self.now
            return result

        def no_turn(exchange: Exchange, place: Place) -> None:
            raise FailureError(place.late(self.now))

        return self.spine.answer(exchange, open_, pause=pause, wait=wait or no_turn)

    def ask(self, *results: Result) -> Exchange:
        """Run an exchange from its begin to its end."""
        exchange = an_exchange()
        self.answer(exchange, *results)
        self.spine.finish(exchange)
        return exchange

    @property
    def slots(self) -> Slots:
        slots = self.concurrency.of("upstream", "up")
        assert slots is not None
        return slots

    def known(self, exchange: Exchange) -> Known:
        """Return what is known of the endpoint of the exchange's first attempt."""
        return next(each for each in self.endpoints.all if each.endpoint == exchange.attempts[0].endpoint)

    def assert_idle(self) -> None:
        """Nothing is held any more, by anybody."""
        assert [each.in_flight for each in self.endpoints.all] == [0] * len(self.endpoints.all)
        assert repr(self.endpoints).endswith(" 0 attempts>")
        assert (self.slots.running, self.slots.waiting) == (0, 0)
        assert repr(self.budget).startswith("<Budget 0 retries in 0 exchanges")


ENDS: list[tuple[str, tuple[Result, ...], BaseException | None]] = [
    ("relayed", (a_reply(),), None),
    ("failed", (a_failure(CONNECT_REFUSED), a_failure(CONNECT_REFUSED)), None),
    ("retried", (a_reply(503), a_reply()), None),
    ("timed out", (Interruption(Failure(FIRST_BYTE_TIMEOUT)), a_reply(503)), None),
    ("left while opening", (Interruption(Failure(CLIENT_GONE)),), None),
    ("left while backing off", (a_reply(503),), Interruption(Failure(CLIENT_GONE))),
    ("drained while backing off", (a_failure(CONNECT_REFUSED),), Interruption(Failure(DRAINED))),
    ("total in the second attempt", (a_reply(503), Interruption(Failure(TOTAL_TIMEOUT))), None),
    ("defect while opening", (ZeroDivisionError(),), None),
]


@pytest.mark.parametrize(("results", "paused"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_whatever_ends_an_exchange_everything_is_given_back_once(
    results: tuple[Result, ...], paused: BaseException | None
) -> None:
    """Slots, leases of endpoints and places in the budget, whichever policy had the last word."""
    worker, exchange = Worker(a_paired_route(Limit(1, 5))), an_exchange()

    def pause(seconds: float) -> None:
        if paused is not None:
            raise paused

    with contextlib.suppress(Abort):
        worker.answer(exchange, *results, pause=pause)
    worker.spine.finish(exchange)
    worker.spine.finish(exchange)

    worker.assert_idle()
    assert exchange.outcome is not None
    assert worker.ask(a_reply()).status == 200


@pytest.mark.parametrize("phase", ["admit", "queue", "prepare", "judge", "stage", "commit", "finish"])
def test_a_policy_with_a_defect_leaks_nothing_of_the_others(phase: str) -> None:
    """Its exchange ends with 500, or as it was, and leaves no slot, no lease and no retry behind."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    worker, exchange = Worker(a_paired_route(Limit(1, 5)), Hooks(**{phase: broken})), an_exchange()
    chunks = ListedChunks(b"x")
    worker.answer(exchange, a_reply(chunks=chunks))
    worker.spine.finish(exchange)

    worker.assert_idle()
    assert [type(defect) for defect in worker.defects] == [ZeroDivisionError]
    assert bool(chunks.closed) == bool(exchange.attempts) == (phase not in ("admit", "queue")) or phase == "prepare"


def test_breaker_hears_of_an_answer_before_the_wait_that_it_asked_for() -> None:
    """A Retry-After of ten seconds does not keep a bad status from the breaker, nor the endpoint's load too high."""
    worker = Worker(a_paired_route())
    seen: list[tuple[int, int]] = []

    def pause(seconds: float) -> None:
        known = worker.known(exchange)
        assert known.breaker is not None
        seen.append((known.in_flight, known.breaker.recent_failures(worker.now)))

    exchange = an_exchange()
    worker.answer(exchange, a_reply(503, [("Retry-After", "10")]), a_reply(), pause=pause)

    assert seen == [(0, 1)]
    worker.spine.finish(exchange)
    assert [each.in_flight for each in worker.endpoints.all] == [0, 0]


def test_breaker_counts_each_failed_attempt_of_one_exchange() -> None:
    """A retry that goes well elsewhere does not excuse the endpoint that failed."""
    route = a_paired_route()
    worker = Worker(replace(route, upstream=replace(route.upstream, shares=(Share(), Share(priority=1)))))
    exchanges = [worker.ask(a_failure(CONNECT_REFUSED), a_reply()) for _ in range(BREAKER.failures)]

    assert [each.status for each in exchanges] == [200] * BREAKER.failures
    breaker = worker.known(exchanges[0]).breaker
    assert breaker is not None and breaker.state(worker.now) is State.TRIPPED


def test_long_probe_that_became_trusted_is_said_and_starts_slowly() -> None:
    """As one that ended well: whoever reads the log learns that the endpoint is used again."""
    told: list[str] = []
    worker = Worker(a_paired_route())
    worker.endpoints._report = told.append
    known = worker.endpoints.all[0]
    assert known.breaker is not None
    for _ in range(2):
        known.breaker.end(known.breaker.begin(worker.now), False, worker.now)
    worker.now += 10
    stream = an_exchange()
    while not stream.attempts or stream.attempts[0].endpoint != A:
        worker.spine.finish(stream)
        stream = an_exchange()
        worker.answer(stream, a_reply())
    worker.now += 10
    worker.ask(a_reply())

    assert known.breaker.state(worker.now) is State.PASSING
    assert told == ["upstream up: http://a is used again"]
    assert known.started_at == worker.now


def test_time_in_the_queue_counts_for_the_total_of_a_retry() -> None:
    """What is left of `total` behind a wait for a turn is too little: the client gets the answer that is there."""
    worker = Worker(a_paired_route(Limit(1, 5), total=10.0))
    running, exchange = an_exchange(), an_exchange()
    worker.answer(running, a_reply())

    def wait(exchange: Exchange, place: Place) -> None:
        worker.now += 8
        exchange.queued_seconds = 8.0
        worker.spine.finish(running)
        assert not place.waiting

    answer = worker.answer(exchange, a_reply(503, [("Retry-After", "3")]), wait=wait)

    assert answer.reply.head.status == 503
    assert exchange.not_retried == "total"


def test_queue_is_no_base_for_the_retries_of_an_upstream() -> None:
    """Who waits, and who is refused, asks the upstream for nothing, and earns nobody a retry."""
    worker = Worker(a_paired_route(Limit(1, 0)))
    running = an_exchange()
    worker.answer(running, a_reply())
    for _ in range(50):
        assert worker.ask().failure is not None
    worker.adopt(a_paired_route(Limit(100, 0)))

    retrying = [an_exchange() for _ in range(ALWAYS_ALLOWED + 1)]
    for exchange in retrying:
        worker.answer(exchange, a_reply(503), a_reply())

    assert [exchange.not_retried for exchange in retrying] == [None] * ALWAYS_ALLOWED + ["budget"]


def test_adaptive_limit_hears_of_pushback_that_a_retry_hides() -> None:
    """The client got a good answer; the upstream said all the same that it was asked for too much."""
    worker = Worker(a_paired_route(ADAPTIVE))
    adaptive = worker.slots.adaptive
    assert adaptive is not None
    for first in (a_reply(503), Interruption(Failure(FIRST_BYTE_TIMEOUT)), a_reply(503)):
        worker.ask(first, a_reply())

    assert adaptive._window.refused == 3


def test_adaptive_limit_may_change_by_an_earlier_attempt() -> None:
    """The window that it closes counts as much as one that the last attempt closes."""
    worker = Worker(a_paired_route(ADAPTIVE))
    exchange = worker.ask(a_reply(503), a_reply())

    changes = [learn(worker.slots, exchange) for _ in range(60)]

    assert any(changes)
    assert worker.slots.allowed < 20


def test_limit_that_a_reload_takes_away_lets_everybody_in() -> None:
    """Whoever waits for a stream that runs for an hour need not wait for it where there is no limit any more."""
    worker = Worker(a_paired_route(Limit(1, 5)))
    running, waiting = an_exchange(), an_exchange()
    worker.answer(running, a_reply())
    slots = worker.slots

    def wait(exchange: Exchange, place: Place) -> None:
        assert place.waiting
        worker.adopt(a_paired_route(None))
        assert not place.waiting and place.lost is None

    answer = worker.answer(waiting, a_reply(), wait=wait)

    assert answer.reply.head.status == 200
    for exchange in (running, waiting):
        worker.spine.finish(exchange)
    assert (slots.running, slots.waiting) == (0, 0)


def test_limit_that_is_gone_stops_nobody_who_began_before() -> None:
    """Whoever waited at another limit meanwhile asks the one that is gone, and need not wait at it."""
    worker = Worker(a_paired_route(Limit(1, 0)))
    running, late = an_exchange(), an_exchange()
    worker.answer(running, a_reply())
    spine, slots = worker.spine, worker.slots
    worker.adopt(a_paired_route(None))
    worker.spine = spine

    assert worker.answer(late, a_reply()).reply.head.status == 200
    for exchange in (running, late):
        spine.finish(exchange)
    assert (slots.running, slots.waiting) == (0, 0)


def test_reload_between_two_attempts_leaves_both_accounts_right() -> None:
    """The exchange goes on with the endpoints that it began with; those that stay know of it, and forget it."""
    worker = Worker(a_paired_route(Limit(1, 5)))
    spine, exchange = worker.spine, an_exchange(a_request("GET"))

    def pause(seconds: float) -> None:
        route = a_paired_route(Limit(2, 5))
        worker.adopt(replace(route, upstream=replace(route.upstream, endpoints=(B,), breaker=None)))

    worker.answer(exchange, a_failure(CONNECT_REFUSED), a_reply(), pause=pause)
    assert {each.endpoint for each in exchange.attempts} == {A, B}
    assert worker.slots.running == 1
    spine.finish(exchange)

    worker.assert_idle()
