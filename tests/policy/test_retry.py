"""Configured retries: which ends of an attempt, which requests, how often, how soon, and why not."""

from dataclasses import replace

import pytest
from pydantic import ValidationError
from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    CLIENT_GONE,
    CONNECT_REFUSED,
    CONNECT_TIMEOUT,
    FIRST_BYTE_TIMEOUT,
    HEAD_INVALID,
    HEAD_MISSING,
    IN_BAND_ERROR,
    KINDS,
    SEND_FAILED,
    SEND_TIMEOUT,
    Failure,
    Kind,
    Side,
)
from gateway.exchange.marks import InBandError
from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.route import Retry, Route, Timeouts, Upstream
from gateway.exchange.target import parse_endpoint
from gateway.policy.hooks import Verdict
from gateway.policy.retry import (
    Refusal,
    RetrySettings,
    backoff_seconds,
    hooks,
    is_named,
    retry_after_seconds,
    sends_twice,
    tries,
    wait_or_refuse,
)
from gateway.policy.retry_budget import ALWAYS_ALLOWED, Budget

DATE = "Fri, 20 Nov 2026 07:00:00 GMT"
RETRY = RetrySettings(attempts=3, on=("connect", "reset", 503), methods=("GET", "POST")).retry()


class Upload:
    """A body whose octets can, or cannot, be sent again."""

    def __init__(self, replayable: bool) -> None:
        self.replayable = replayable


def ended(end: Kind | int, fields: Fields | None = None, *, reused: bool = False, answered: bool = False) -> Attempt:
    """An attempt that ended with a failure or a reply, two seconds after its exchange began."""
    attempt = an_attempt()
    attempt.started, attempt.ended, attempt.reused, attempt.answered = 100.0, 102.0, reused, answered
    if isinstance(end, Kind):
        attempt.failure = Failure(end)
    else:
        attempt.status, attempt.head = end, ReplyHead(end, "", fields or [])
    return attempt


def an_exchange_with(*attempts: Attempt, method: str = "GET", route: Route | None = None) -> Exchange:
    exchange = an_exchange(a_request(method), route or a_route())
    exchange.attempts.extend(attempts)
    return exchange


@pytest.mark.parametrize(
    ("on", "end", "named"),
    [
        ((503,), 503, True),
        ((503,), 502, False),
        ((503,), CONNECT_REFUSED, False),
        (("connect",), CONNECT_REFUSED, True),
        (("connect",), CONNECT_TIMEOUT, True),
        (("connect",), HEAD_MISSING, False),
        (("connect",), 503, False),
        (("reset",), HEAD_MISSING, True),
        (("reset",), SEND_FAILED, True),
        (("reset",), HEAD_INVALID, False),
        (("timeout",), FIRST_BYTE_TIMEOUT, True),
        (("timeout",), SEND_TIMEOUT, True),
        (("timeout",), CONNECT_TIMEOUT, False),
        (("head_invalid", 429), HEAD_INVALID, True),
        (("head_invalid", 429), 429, True),
        ((), CONNECT_REFUSED, False),
    ],
)
def test_end_of_an_attempt_is_named_by_word_code_or_status(
    on: tuple[str | int, ...], end: Kind | int, named: bool
) -> None:
    """A word stands for exactly its failures."""
    assert is_named(RetrySettings(on=on).retry(), ended(end)) is named


@pytest.mark.parametrize(
    ("reused", "answered", "named"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_reused_is_a_kept_connection_without_an_answer(reused: bool, answered: bool, named: bool) -> None:
    """A new connection that is closed, or an answer that began, is another thing."""
    retry = RetrySettings(on=("reused",)).retry()

    assert is_named(retry, ended(HEAD_MISSING, reused=reused, answered=answered)) is named


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.unsent], ids=lambda kind: kind.code)
def test_connect_is_all_that_happens_before_anything_is_sent(kind: Kind) -> None:
    """No such failure is left out."""
    assert is_named(RetrySettings().retry(), ended(kind))


@pytest.mark.parametrize(
    ("attempts", "endpoints", "expected"), [(None, 1, 1), (None, 2, 2), (None, 5, 2), (1, 5, 1), (4, 1, 4)]
)
def test_default_is_one_more_try_where_there_is_another_endpoint(
    attempts: int | None, endpoints: int, expected: int
) -> None:
    """A single endpoint is asked once unless the route says otherwise."""
    assert tries(Retry(attempts=attempts), endpoints) == expected


@pytest.mark.parametrize(
    ("on", "twice"), [(("connect",), False), ((), False), (("reused",), True), ((503,), True), (("reset",), True)]
)
def test_only_what_was_sent_can_be_sent_twice(on: tuple[str | int, ...], twice: bool) -> None:
    """Retries of connecting need no body kept."""
    assert sends_twice(RetrySettings(on=on).retry()) is twice


@pytest.mark.parametrize(
    ("retry_after", "date", "seconds"),
    [
        (None, DATE, None),
        ("0", None, 0.0),
        ("7", None, 7.0),
        ("9" * 400, None, 9_999_999_999.0),
        ("-7", None, None),
        ("7.5", None, None),
        ("\u0667", None, None),
        ("soon", DATE, None),
        ("Fri, 20 Nov 2026 07:00:08 GMT", DATE, 8.0),
        ("Fri, 20 Nov 2026 06:59:00 GMT", DATE, 0.0),
        ("Fri, 20 Nov 2026 07:00:08 GMT", None, None),
        ("Fri, 20 Nov 2026 07:00:08 GMT", "never", None),
        ("Fri, 20 Nov 2026 07:00:08", DATE, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    retry_after: str | None, date: str | None, seconds: float | None
) -> None:
    """RFC 9110 section 10.2.3; a date counts from the reply's own Date, and without one it says nothing."""
    fields = [(name, value) for name, value in (("Retry-After", retry_after), ("Date", date)) if value is not None]

    assert retry_after_seconds(ReplyHead(503, "", fields)) == seconds


def test_attempt_without_a_reply_asks_for_no_wait() -> None:
    """There is no head to read."""
    assert retry_after_seconds(None) is None


@pytest.mark.parametrize(
    ("number", "chance", "seconds"),
    [(1, 1.0, 0.025), (2, 1.0, 0.05), (3, 0.5, 0.05), (1, 0.0, 0.0), (9, 1.0, 1.0), (1000, 0.5, 0.5)],
)
def test_backoff_doubles_up_to_its_maximum_with_full_jitter(number: int, chance: float, seconds: float) -> None:
    """What failed together does not come back together."""
    assert backoff_seconds(Retry(), number, chance) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("attempts", "method", "upload", "verdict"),
    [
        ([ended(503)], "GET", None, 0.025),
        ([ended(503), ended(CONNECT_REFUSED)], "GET", None, 0.05),
        ([ended(503), ended(503), ended(503)], "GET", None, Refusal.ATTEMPTS),
        ([ended(503)], "POST", Upload(True), 0.025),
        ([ended(503)], "POST", Upload(False), Refusal.BODY),
        ([ended(503)], "PUT", Upload(True), Refusal.METHOD),
        ([ended(CONNECT_REFUSED)], "PUT", Upload(True), 0.025),
        ([ended(HEAD_MISSING), ended(CONNECT_REFUSED)], "PUT", Upload(False), Refusal.BODY),
        ([ended(503, [("Retry-After", "10")])], "GET", None, 10.025),
        ([ended(503, [("Retry-After", "11")])], "GET", None, Refusal.RETRY_AFTER),
    ],
)
def test_next_attempt_waits_or_is_refused(
    attempts: list[Attempt], method: str, upload: Upload | None, verdict: float | Refusal
) -> None:
    """What was sent needs a method and a body that may be sent again; what was not sent needs only the body."""
    exchange = an_exchange_with(*attempts, method=method)
    exchange.upload = upload  # type: ignore[assignment]

    found = wait_or_refuse(RETRY, 3, exchange, attempts[-1], 1.0)

    assert found == (verdict if isinstance(verdict, Refusal) else pytest.approx(verdict))


def test_repair_of_a_stale_connection_costs_no_try() -> None:
    """An attempt that only met an idle connection's close is not one of those that were asked for."""
    stale = ended(HEAD_MISSING, reused=True)
    stale.counted = False

    assert wait_or_refuse(RETRY, 2, an_exchange_with(stale, ended(503)), ended(503), 1.0) == pytest.approx(0.025)


@pytest.mark.parametrize(("total", "verdict"), [(2.01, Refusal.TOTAL), (2.05, 0.025), (None, 0.025)])
def test_wait_that_the_total_timeout_would_end_is_not_begun(total: float | None, verdict: float | Refusal) -> None:
    """The client gets the upstream's answer, not a 504 of ours."""
    exchange = an_exchange_with(ended(503), route=replace(a_route(), timeouts=Timeouts(total=total)))

    found = wait_or_refuse(RETRY, 3, exchange, exchange.attempts[0], 1.0)

    assert found == (verdict if isinstance(verdict, Refusal) else pytest.approx(verdict))


def test_total_counts_from_the_first_attempt_whatever_their_order() -> None:
    """A hedge that was let go stands before the attempt that it was made beside."""
    first, hedge = ended(503), ended(503)
    hedge.started = first.started + 0.5
    exchange = an_exchange_with(hedge, first, route=replace(a_route(), timeouts=Timeouts(total=2.01)))

    assert wait_or_refuse(RETRY, 3, exchange, first, 1.0) is Refusal.TOTAL


def test_exchange_without_a_route_has_no_total() -> None:
    """The rule needs no route."""
    exchange = an_exchange_with(ended(503))
    exchange.route = None

    assert wait_or_refuse(RETRY, 3, exchange, exchange.attempts[0], 0.0) == 0.0


def a_retrying_route(retry: Retry = RETRY, endpoints: int = 1) -> Route:
    several = tuple(parse_endpoint(f"http://127.0.0.1:{9000 + each}") for each in range(endpoints))
    return replace(a_route(), retry=retry, upstream=Upstream("demo", several))


@pytest.mark.parametrize(
    ("retry", "endpoints"),
    [(Retry(attempts=1, statuses=frozenset({503})), 2), (Retry(attempts=3), 2), (RetrySettings().retry(), 1)],
)
def test_policy_that_is_off_costs_nothing(retry: Retry, endpoints: int) -> None:
    """One try, nothing to try again after, or the default with one endpoint: no hook at all."""
    made = hooks(a_retrying_route(retry, endpoints))

    assert (made.prepare, made.judge) == (None, None)


def test_default_tries_another_endpoint_after_a_refused_connect() -> None:
    """Nothing was sent, so nothing can be done twice."""
    made = hooks(a_retrying_route(RetrySettings().retry(), 2), Budget(), lambda: 1.0)
    exchange = an_exchange_with(ended(CONNECT_REFUSED), method="POST")

    assert made.judge(exchange, exchange.attempts[0]) is Verdict.RETRY
    assert exchange.attempts[0].pause_seconds == pytest.approx(0.025)
    assert exchange.not_retried is None


def test_end_that_is_not_named_is_taken_without_a_word() -> None:
    """A good answer was not refused a retry."""
    made = hooks(a_retrying_route())
    exchange = an_exchange_with(ended(200))

    assert made.judge(exchange, exchange.attempts[0]) is Verdict.TAKE
    assert exchange.not_retried is None


def test_last_try_is_taken_and_says_why() -> None:
    """The log line tells that the tries were used up."""
    made = hooks(a_retrying_route(replace(RETRY, attempts=2)))
    exchange = an_exchange_with(ended(503), ended(503))

    assert made.judge(exchange, exchange.attempts[1]) is Verdict.TAKE
    assert exchange.not_retried == "attempts"


def test_budget_that_is_spent_refuses_and_gives_back_at_the_end() -> None:
    """Three exchanges may retry at once; the fourth takes what it has; when one ends, it stays counted for a while."""
    budget = Budget()
    made = hooks(a_retrying_route(), budget)
    verdicts = []
    exchanges = [an_exchange_with(ended(503)) for _ in range(ALWAYS_ALLOWED + 1)]
    for exchange in exchanges:
        assert made.prepare(exchange, exchange.attempts[0]) is None
        verdicts.append(made.judge(exchange, exchange.attempts[0]))

    assert verdicts == [Verdict.RETRY] * ALWAYS_ALLOWED + [Verdict.TAKE]
    assert exchanges[-1].not_retried == "budget"
    for exchange in exchanges:
        exchange.finished_at = 103.0
        for release in exchange.take_releases():
            release()
    assert repr(budget) == "<Budget 0 retries in 0 exchanges, 1 refused>"


def test_request_that_was_not_sent_needs_no_budget() -> None:
    """The upstream is asked no more than once: half of its endpoints may be dead, and every client is served."""
    made = hooks(a_retrying_route(), Budget())

    for _ in range(10 * ALWAYS_ALLOWED):
        exchange = an_exchange_with(ended(CONNECT_REFUSED))
        made.prepare(exchange, exchange.attempts[0] if exchange.attempts else an_attempt())
        assert made.judge(exchange, exchange.attempts[0]) is Verdict.RETRY


def test_retry_is_under_way_until_its_attempt_is_judged() -> None:
    """What streams for an hour behind a retry does not hold its place in the budget for an hour."""
    budget = Budget()
    made = hooks(a_retrying_route(), budget)
    exchange = an_exchange_with(ended(503))
    made.prepare(exchange, exchange.attempts[0] if exchange.attempts else an_attempt())
    made.judge(exchange, exchange.attempts[0])
    assert "1 retries" in repr(budget)

    exchange.attempts.append(ended(200))
    made.judge(exchange, exchange.attempts[1])

    assert "0 retries" in repr(budget)


@pytest.mark.parametrize(
    ("on", "method", "body_length", "kept"),
    [
        ((503,), "POST", 100, 256),
        ((503,), "POST", None, 256),
        ((503,), "POST", 256, 256),
        ((503,), "POST", 257, 0),
        ((503,), "PUT", 100, 0),
        (("connect",), "POST", 100, 0),
    ],
)
def test_body_is_kept_only_where_it_could_be_sent_again(
    on: tuple[str | int, ...], method: str, body_length: int | None, kept: int
) -> None:
    """A method that is not named, a body known to be too large and retries of connecting keep nothing."""
    retry = RetrySettings(attempts=2, on=on, methods=("POST",), buffer="256B").retry()
    made = hooks(a_retrying_route(retry))
    exchange = an_exchange(a_request(method, body_length=body_length), a_route())

    made.prepare(exchange, exchange.attempts[0] if exchange.attempts else an_attempt())

    assert exchange.replay_bytes == kept


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.side is Side.UPSTREAM], ids=lambda kind: kind.code)
def test_every_failure_of_the_upstream_can_be_named(kind: Kind) -> None:
    """Those that only happen behind the head, too, for a route may hold that back."""
    assert RetrySettings(on=(kind.code,)).retry().failures == {kind.code}


@pytest.mark.parametrize(
    ("on", "status", "named"),
    [
        (("in_band_error",), 529, True),
        (("in_band_error",), 429, True),
        (("in_band_error",), 400, False),
        (("peek",), 503, True),
        (("peek",), 401, False),
        ((429,), 429, True),
        ((400,), 400, True),
        ((503,), 529, False),
        (("connect", "reset", "timeout"), 503, False),
    ],
)
def test_error_told_inside_an_answer_is_tried_again_as_its_status_would_be(
    on: tuple[str | int, ...], status: int, named: bool
) -> None:
    """One that blames the request is tried again only where its status is named: it would fare no better."""
    attempt = an_attempt()
    attempt.status = 200
    attempt.failure = Failure(IN_BAND_ERROR, "overloaded", (), InBandError("overloaded", status, b"{}"))
    assert is_named(RetrySettings(on=on).retry(), attempt) is named


@pytest.mark.parametrize("condition", [200, 399, 600, True, "503", "conect", CLIENT_GONE.code, 503.0])
def test_anything_else_cannot_be_named(condition: object) -> None:
    """Failures of clients are not tried again; a misspelt word is not left without effect."""
    with pytest.raises(ValidationError):
        RetrySettings(on=(condition,))


def test_settings_compile_to_what_a_route_needs() -> None:
    """Words become codes; the stale connection stays a condition of its own."""
    settings = RetrySettings(
        attempts=4, on=("reused", "timeout", 429), methods=("POST",), buffer="1KiB", backoff="1s", backoff_max="2s",
        retry_after_max="3s", budget="off",
    )  # fmt: skip

    retry = Retry(
        attempts=4, failures=frozenset({"first_byte_timeout", "send_timeout"}), stale=True, statuses=frozenset({429}),
        methods=frozenset({"POST"}), buffer_bytes=1024, backoff=1.0, backoff_max=2.0, retry_after_max=3.0,
        budget_share=None,
    )  # fmt: skip
    assert settings.compiled() == {"retry": retry}
