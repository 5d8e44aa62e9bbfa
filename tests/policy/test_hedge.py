"""When a second attempt may be made beside the first, under a budget and first-byte times of our own."""

from dataclasses import replace

import pytest
from support.exchanges import a_request, a_route, an_exchange

from gateway.config.problem import Unacceptable
from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.message import RequestHead
from gateway.exchange.route import Hedging, Retry, Route
from gateway.exchange.target import parse_endpoint
from gateway.policy.hedge import LEAST_SAMPLES, HedgeSettings, _after, hooks, slow_after
from gateway.policy.hooks import Hooks
from gateway.policy.recent import Recent
from gateway.policy.retry_budget import ALWAYS_ALLOWED, Budget

A, B = (parse_endpoint(f"http://{name}:80") for name in "ab")
GET = frozenset({"GET"})


def route(after: float | None = 0.2, retry: Retry | None = None, endpoints: int = 2) -> Route:
    plain = a_route()
    upstream = replace(plain.upstream, endpoints=(A, B)[:endpoints])
    return replace(
        plain, upstream=upstream, hedging=Hedging(after, GET), retry=retry or Retry(statuses=frozenset({429}))
    )


def prepared(found: Hooks, request: RequestHead | None = None) -> tuple[Exchange, Attempt]:
    exchange, attempt = an_exchange(request), Attempt(A)
    exchange.attempts.append(attempt)
    assert found.prepare is not None
    found.prepare(exchange, attempt)
    return exchange, attempt


@pytest.mark.parametrize(
    ("request_", "hedged"),
    [
        (a_request("GET"), True),
        (a_request("HEAD"), False),
        (a_request("POST"), False),
        (a_request("GET", body_length=5), False),
        (a_request("GET", body_length=None), False),
    ],
)
def test_only_requests_without_a_body_and_with_such_a_method_are_hedged(request_: RequestHead, hedged: bool) -> None:
    """A body comes once, and what is not named is never asked twice."""
    _, attempt = prepared(hooks(route()), request_)

    assert (attempt.hedge is not None) is hedged


def test_route_that_does_not_hedge_has_no_hook() -> None:
    """What is off costs nothing; with one endpoint there is no other to ask."""
    assert hooks(replace(route(), hedging=None)) == Hooks()
    assert hooks(route(endpoints=1)) == Hooks()


def test_exchange_is_hedged_once() -> None:
    """Neither the second attempt nor one behind both gets another beside it."""
    found = hooks(route())
    exchange, _ = prepared(found)
    assert found.prepare is not None
    for later in (Attempt(B, hedging=True), Attempt(A)):
        exchange.attempts.append(later)
        found.prepare(exchange, later)
        assert later.hedge is None


@pytest.mark.parametrize(
    ("status", "good"), [(200, True), (404, True), (304, True), (429, False), (500, False), (503, False), (None, False)]
)
def test_good_answer_is_one_that_nobody_would_try_again(status: int | None, good: bool) -> None:
    """Neither a fault of the server nor what ``retry.on`` names wins a race."""
    _, attempt = prepared(hooks(route()))
    assert attempt.hedge is not None

    assert attempt.hedge.good(Attempt(A, status=status)) is good


def test_each_hedge_takes_from_the_retry_budget() -> None:
    """Where there are too many the exchange says so; one that is over counts for a while yet."""
    budget = Budget()
    found = hooks(route(retry=Retry(failures=frozenset({"connect_refused"}), budget_share=0.0)), budget)
    hedges = []
    for _ in range(ALWAYS_ALLOWED):
        exchange, attempt = prepared(found)
        hedges.append((exchange, attempt.hedge))
        assert attempt.hedge is not None
        assert attempt.hedge.allow(100.0)
        assert exchange.hedged is None
    exchange, attempt = prepared(found)
    assert attempt.hedge is not None

    assert not attempt.hedge.allow(100.0)
    assert (exchange.hedged, budget.refused) == ("budget", 1)
    first = hedges[0][1]
    assert first is not None
    first.ended(100.0)
    assert not attempt.hedge.allow(105.0)
    assert attempt.hedge.allow(111.0)


def test_exchange_counts_in_the_budget_also_where_nothing_is_retried() -> None:
    """A share of nothing would be nothing: with 40 exchanges under way a fifth of them may be hedged."""
    budget = Budget()
    found = hooks(route(retry=Retry(attempts=1, failures=frozenset({"connect_refused"}))), budget)
    allowed = []
    exchanges = [prepared(found) for _ in range(40)]
    for _, attempt in exchanges:
        assert attempt.hedge is not None
        allowed.append(attempt.hedge.allow(100.0))

    assert sum(allowed) == 8


def test_exchange_is_counted_once_beside_retries() -> None:
    """The retries of the route count it already."""
    budget = Budget()
    prepared(hooks(route(), budget))

    assert "in 0 exchanges" in repr(budget)


def test_p95_needs_samples() -> None:
    """With few of them it would be the slowest answer by another name."""
    recent = Recent()
    for number in range(LEAST_SAMPLES - 1):
        recent.add(float(number))
    assert slow_after(recent) is None
    assert slow_after(None) is None
    recent.add(100.0)

    assert slow_after(recent) == 18.0


def test_p95_is_that_of_the_endpoint_that_is_asked() -> None:
    """Another endpoint's speed says nothing."""
    slow = Recent()
    for _ in range(LEAST_SAMPLES):
        slow.add(3.0)
    _, attempt = prepared(hooks(route(None), first_bytes={A: slow}.get))
    assert attempt.hedge is not None
    assert attempt.hedge.after_seconds == 3.0

    _, attempt = prepared(hooks(route(None), first_bytes={B: slow}.get))
    assert attempt.hedge is None


@pytest.mark.parametrize(("written", "after"), [("p95", "p95"), ("200ms", 0.2), ("off", None)])
def test_settings_say_when(written: str, after: object) -> None:
    """A duration, p95 or off; it is written as it was read."""
    settings = HedgeSettings.model_validate({"after": written})

    assert settings.after == after
    assert settings.model_dump()["after"] == written


@pytest.mark.parametrize("written", [200, "p99", "0s", True, None])
def test_anything_else_is_refused_with_what_is_expected(written: object) -> None:
    """A bare number lacks its unit; only one quantile is known."""
    with pytest.raises(Unacceptable, match="p95"):
        _after(written)


def test_hedging_is_off_by_default_and_without_methods() -> None:
    """Nobody is asked twice unasked."""
    assert HedgeSettings().compiled() == {"hedging": None}
    assert HedgeSettings(after="p95", methods=()).compiled() == {"hedging": None}
    assert HedgeSettings(after="p95").compiled() == {"hedging": Hedging(None, frozenset({"GET", "HEAD", "OPTIONS"}))}
