"""The breaker as a machine under a clock of our own, and what the end of an attempt says to it."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchanges import an_attempt, an_exchange

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import (
    BODY_CUT,
    CANCELLED,
    CLIENT_GONE,
    CONNECT_REFUSED,
    CREDENTIALS_UNAVAILABLE,
    DRAINED,
    FIRST_BYTE_TIMEOUT,
    HEAD_MISSING,
    IDLE_TIMEOUT,
    INTERNAL,
    TOTAL_TIMEOUT,
    UPLOAD_CUT,
    Failure,
    Kind,
)
from gateway.exchange.outcome import Outcome, judge
from gateway.exchange.route import BreakerRule
from gateway.policy.breaker import Breaker, BreakerSettings, Passage, State, verdict

RULE = BreakerRule(failures=3, window_seconds=30.0, open_seconds=10.0, max_open_seconds=40.0, probes=1)


def run(breaker: Breaker, ends: str, now: float = 0.0) -> None:
    """Let one exchange after the other begin and end at ``now``: well (+), badly (-), or saying nothing (?)."""
    for end in ends:
        breaker.end(breaker.begin(now), {"+": True, "-": False, "?": None}[end], now)


def tripped(at: float = 0.0, rule: BreakerRule = RULE) -> Breaker:
    """Return a breaker that tripped at ``at`` for the first time."""
    breaker = Breaker(rule)
    run(breaker, "-" * rule.failures, at)
    assert breaker.state(at) is State.TRIPPED
    return breaker


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ("", State.PASSING),
        ("--", State.PASSING),
        ("---", State.TRIPPED),
        ("--+--", State.PASSING),
        ("--+---", State.TRIPPED),
        ("--?-", State.TRIPPED),
        ("??????", State.PASSING),
        ("---+", State.PASSING),
        ("---?", State.TRIPPED),
        ("------", State.TRIPPED),
    ],
)
def test_failures_in_a_row_trip_it(ends: str, expected: State) -> None:
    """One good end forgets them; an end that says nothing is as if it had not been. Good ends bring it back early."""
    breaker = Breaker(RULE)
    run(breaker, ends)

    assert breaker.state(0.0) is expected
    assert breaker.admits(0.0) is (expected is State.PASSING)


def test_failures_of_long_ago_do_not_count() -> None:
    """Only those within the window trip it."""
    breaker = Breaker(RULE)
    for now in (0.0, 20.0, 31.0, 61.5):
        run(breaker, "-", now)
        assert breaker.admits(now)
    assert breaker.recent_failures(61.5) == 1
    run(breaker, "--", 61.5)
    assert not breaker.admits(61.5)


def test_a_tripped_one_is_left_alone_and_then_tried_by_one() -> None:
    """Nobody for `open`, then as many as there are probes, until those have ended."""
    breaker = tripped()

    assert [breaker.admits(now) for now in (0.0, 9.9, 10.0)] == [False, False, True]
    probe = breaker.begin(10.0)
    assert breaker.state(10.0) is State.PROBING
    assert not breaker.admits(10.0)
    breaker.end(probe, None, 11.0)
    assert breaker.admits(11.0)
    probe = breaker.begin(11.0)
    breaker.end(probe, True, 12.0)
    assert breaker.state(12.0) is State.PASSING
    assert breaker.admits(12.0)


def test_a_failed_probe_trips_it_for_twice_as_long_up_to_a_bound() -> None:
    """10 s, 20, 40, 40: a dead endpoint costs a request now and then, and never less than `max_open` apart."""
    breaker, now, waits = tripped(), 0.0, []
    for _ in range(5):
        assert breaker.until is not None
        waits.append(breaker.until - now)
        now = breaker.until
        run(breaker, "-", now)

    assert waits == [10.0, 20.0, 40.0, 40.0, 40.0]


@pytest.mark.parametrize(("well_for", "wait"), [(0.0, 20.0), (39.0, 20.0), (41.0, 10.0)])
def test_a_trip_soon_after_passing_goes_on_doubling(well_for: float, wait: float) -> None:
    """One that comes back only to fail is not taken for well; one that was well for a while begins anew."""
    breaker = tripped()
    run(breaker, "+", 10.0)
    assert breaker.state(10.0) is State.PASSING
    run(breaker, "---", 10.0 + well_for)

    assert breaker.until == 10.0 + well_for + wait


def test_all_probes_must_end_well() -> None:
    """Two of three good ones are not enough, and one bad one is too many."""
    breaker = tripped(rule=replace(RULE, probes=3))
    probes = [breaker.begin(10.0) for _ in range(3)]
    assert not breaker.admits(10.0)
    for probe in probes[:2]:
        breaker.end(probe, True, 11.0)
        assert breaker.state(11.0) is State.PROBING
    breaker.end(probes[2], False, 11.0)

    assert breaker.state(11.0) is State.TRIPPED
    run(breaker, "+++", 31.0)
    assert breaker.state(31.0) is State.PASSING


def test_what_began_before_it_tripped_says_nothing_afterwards() -> None:
    """A stream of yesterday that ends well brings no dead endpoint back, and a late failure does not trip it anew."""
    breaker = Breaker(RULE)
    old = [breaker.begin(0.0) for _ in range(5)]
    run(breaker, "---", 1.0)
    breaker.end(old[0], True, 2.0)
    assert breaker.state(2.0) is State.TRIPPED
    breaker.end(old[1], False, 11.5)
    assert breaker.state(11.5) is State.PROBING
    run(breaker, "+", 12.0)
    for late in old[2:]:
        breaker.end(late, False, 13.0)
    assert breaker.recent_failures(13.0) == 0


def test_a_long_stream_that_flows_is_a_good_probe() -> None:
    """An endpoint that answers is not kept out until a stream of an hour has ended; one that is silent is."""
    silent, flowing = tripped(), tripped()
    silent.begin(10.0)
    probe = flowing.begin(10.0)
    probe.answered_at = 12.0

    assert not flowing.admits(21.9)
    assert flowing.admits(22.0)
    assert flowing.state(22.0) is State.PASSING
    assert not silent.admits(1000.0)


def test_a_long_probe_has_one_word() -> None:
    """With two probes asked for, one that flows and then ends well is still one."""
    breaker = tripped(rule=replace(RULE, probes=2))
    probe = breaker.begin(10.0)
    probe.answered_at = 10.0
    assert breaker.admits(20.0)
    breaker.end(probe, True, 21.0)
    assert breaker.state(21.0) is State.PROBING


def test_two_long_probes_make_it_pass_at_once() -> None:
    """What is left of the list after it passes is not looked at."""
    breaker = tripped(rule=replace(RULE, probes=2))
    for probe in [breaker.begin(10.0), breaker.begin(10.0)]:
        probe.answered_at = 10.0
    assert breaker.admits(20.0)
    assert breaker.state(20.0) is State.PASSING


def test_a_failure_of_what_was_sent_all_the_same_changes_nothing() -> None:
    """Where all are tripped requests go there anyway: they must not put off the moment at which it is tried out."""
    breaker = tripped()
    run(breaker, "-----", 5.0)
    assert breaker.until == 10.0


@given(seed=st.integers(0, 10**6), probes=st.integers(1, 4), failures=st.integers(1, 6), health=st.floats(0, 1))
def test_whatever_happens_it_keeps_its_bounds_and_comes_back(
    seed: int, probes: int, failures: int, health: float
) -> None:
    """Never more probes than allowed, never alone for longer than `max_open`, and well again once all ends well."""
    rule, luck = replace(RULE, probes=probes, failures=failures), random.Random(seed)
    breaker, now, under_way = Breaker(rule), 0.0, list[Passage]()
    for _ in range(200):
        now += luck.choice((0.0, 0.1, 5.0, 20.0))
        state = breaker.state(now)
        if breaker.admits(now):
            assert state is not State.TRIPPED
            under_way.append(breaker.begin(now))
            if luck.random() < 0.3:
                under_way[-1].answered_at = now
        if under_way and luck.random() < 0.6:
            end = luck.choice((None, luck.random() < health, luck.random() < health))
            breaker.end(under_way.pop(luck.randrange(len(under_way))), end, now)
        assert len(breaker._probes) <= probes
        assert breaker.until is None or breaker.until - now <= rule.max_open_seconds + 1e-6
    for passage in under_way:
        breaker.end(passage, None, now)
    now += rule.max_open_seconds
    for _ in range(probes):
        assert breaker.admits(now)
        run(breaker, "+", now)
    assert breaker.state(now) is State.PASSING


def ended(kind: Kind | None, *, answered: bool) -> tuple[Attempt, Outcome]:
    """Return an attempt, and the outcome of its exchange, that ended with ``kind`` before or after the head."""
    attempt = an_attempt()
    attempt.status = 200 if answered else None
    return attempt, judge(None if kind is None else Failure(kind), committed=answered, local=False)


@pytest.mark.parametrize(
    ("kind", "answered", "expected"),
    [
        (None, True, True),
        (BODY_CUT, True, False),
        (IDLE_TIMEOUT, True, False),
        (FIRST_BYTE_TIMEOUT, False, False),
        (CONNECT_REFUSED, False, False),
        (TOTAL_TIMEOUT, True, None),
        (CLIENT_GONE, True, None),
        (CLIENT_GONE, False, None),
        (UPLOAD_CUT, False, None),
        (DRAINED, True, None),
        (CANCELLED, True, None),
        (INTERNAL, True, None),
    ],
)
def test_an_exchange_is_judged_by_its_end(kind: Kind | None, answered: bool, expected: bool | None) -> None:
    """What the upstream broke is bad; clients that leave, shutdowns and limits of our own say nothing about it."""
    attempt, outcome = ended(kind, answered=answered)
    exchange = an_exchange()
    exchange.attempts.append(attempt)
    exchange.failure, exchange.outcome = (None if kind is None else Failure(kind)), outcome

    assert verdict(exchange, attempt) is expected


def test_an_attempt_that_failed_is_judged_by_its_failure() -> None:
    """Also while the exchange goes on, and if it ends well elsewhere; a connection gone stale is nobody's fault."""
    exchange, failed, stale, ours = an_exchange(), an_attempt(), an_attempt(), an_attempt()
    failed.failure = stale.failure = Failure(HEAD_MISSING)
    ours.failure = Failure(INTERNAL)
    stale.reused = True
    exchange.attempts += [failed, stale, ours]

    assert [verdict(exchange, each) for each in exchange.attempts] == [False, None, None]


def test_an_answer_that_was_given_up_says_nothing_unless_its_status_does() -> None:
    """A retried 503 is bad where the breaker counts 503, and only the attempt that was taken is good."""
    exchange, first, second = an_exchange(), an_attempt(), an_attempt()
    first.status, second.status = 503, 200
    exchange.attempts += [first, second]
    exchange.outcome = Outcome.COMPLETE

    assert [verdict(exchange, each) for each in exchange.attempts] == [None, True]
    assert [verdict(exchange, each, ((500, 599),)) for each in exchange.attempts] == [False, True]


def test_of_an_exchange_under_way_nothing_can_be_said() -> None:
    """Nor of one without attempts."""
    exchange, attempt = an_exchange(), an_attempt()
    assert verdict(exchange, attempt) is None
    exchange.outcome = Outcome.REJECTED
    assert verdict(exchange, attempt) is None
    exchange.attempts.append(attempt)
    assert verdict(exchange, attempt) is None


def test_the_table_alone_is_a_whole_rule() -> None:
    """`breaker = {}` has a value for everything."""
    assert BreakerSettings().rule() == BreakerRule(5, 30.0, 10.0, 300.0, 1, ())


def test_an_issuer_of_tokens_that_fails_says_nothing_about_the_endpoint() -> None:
    """It was not asked, whatever becomes of the exchange."""
    attempt, exchange = an_attempt(), an_exchange()
    exchange.attempts.append(attempt)
    attempt.failure = exchange.failure = Failure(CREDENTIALS_UNAVAILABLE)
    exchange.outcome = judge(exchange.failure, committed=False, local=False)

    assert verdict(exchange, attempt) is None
