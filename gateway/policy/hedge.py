"""Hedging: a second attempt beside one that lets us wait, at another endpoint; the first good answer is taken.

A request is at two endpoints at once, so that it is done twice: only methods that the route allows, by default those
that are safe. It has no body, for that comes only once. What a hedge costs the upstream is bounded like a retry: each
takes from the upstream's retry budget, and an exchange makes one at most.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.units import format_duration, parse_duration_or_off
from gateway.exchange.attempt import Attempt, Hedge
from gateway.exchange.exchange import Exchange
from gateway.exchange.route import Hedging, Route
from gateway.exchange.target import Endpoint
from gateway.grammar.tokens import Method
from gateway.policy import retry
from gateway.policy.hooks import Hooks
from gateway.policy.recent import Recent
from gateway.policy.retry_budget import Budget

ACTS_ON = ("hedge.after", "hedge.methods", "retry.on", "retry.budget")
"""The settings that decide what it does, as a route sees them."""

P95 = "p95"
SLOW_SHARE = 0.95
LEAST_SAMPLES = 20
"""First-byte times that are needed to know a p95: with fewer it would be the slowest one by another name."""


def _after(value: Any) -> float | str | None:
    if value == P95:
        return P95
    try:
        return parse_duration_or_off(value)
    except Unacceptable as refusal:
        expected = 'a duration such as "200ms", "p95", or "off"'
        raise Unacceptable(expected, suggestion=refusal.suggestion) from None


def _written(after: float | str | None) -> str:
    return "off" if after is None else after if isinstance(after, str) else format_duration(after)


After = Annotated[
    float | str | None,
    BeforeValidator(_after),
    PlainSerializer(_written),
    WithJsonSchema({"type": "string", "examples": ["200ms", P95, "off"]}),
    Kind('duration, "p95" or "off"'),
]


class HedgeSettings(Model):
    """When a second attempt is made beside one that lets us wait. The first good answer is taken, the other let go."""

    after: After = None
    """Wait for the head of the answer after which another endpoint is asked, too: a duration, or "p95" for what 95 %
    of the endpoint's answers took of late. Duration, "p95" or "off". Default "off". Each takes from `retry.budget`."""
    methods: tuple[Method, ...] = Field(default=("GET", "HEAD", "OPTIONS"), examples=[["GET"]])
    """Methods of which two may be under way at once. Array. Default: GET, HEAD and OPTIONS.
    With others the upstream does twice what was asked once. A request with a body is never sent to two."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        if self.after is None or not self.methods:
            return {"hedging": None}
        after = None if isinstance(self.after, str) else self.after
        return {"hedging": Hedging(after, frozenset(self.methods))}


def slow_after(recent: Recent | None) -> float | None:
    """Return the seconds after which an answer is a slow one; None where too few are known."""
    return recent.quantile(SLOW_SHARE) if recent is not None and len(recent) >= LEAST_SAMPLES else None


def may_hedge(hedging: Hedging, exchange: Exchange) -> bool:
    """Say whether a request may be under way twice. One that was is not hedged again."""
    request = exchange.request
    if request.has_body or request.method not in hedging.methods:
        return False
    return not any(each.hedging for each in exchange.attempts)


def hooks(
    route: Route,
    budget: Budget | None = None,
    first_bytes: Callable[[Endpoint], Recent | None] = lambda endpoint: None,
) -> Hooks:
    """Allow attempts a rival by the route's settings. ``budget`` is the upstream's; ``first_bytes`` its endpoints'."""
    hedging, again, spent = route.hedging, route.retry, budget or Budget()
    endpoints = len(route.upstream.endpoints)
    if hedging is None or endpoints < 2:
        return Hooks()
    counts = not retry.acts(again, endpoints)  # Otherwise the retries count the exchange.

    def good(attempt: Attempt) -> bool:
        return attempt.status is not None and attempt.status < 500 and attempt.status not in again.statuses

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        if counts and len(exchange.attempts) == 1:
            spent.enter()
            exchange.at_finish(lambda: spent.leave(id(exchange), exchange.finished_at or 0.0))
        if not may_hedge(hedging, exchange):
            return
        after = hedging.after if hedging.after is not None else slow_after(first_bytes(attempt.endpoint))
        if after is None:
            return
        key = ~id(exchange)  # Another one than that of the exchange's retry, which may be under way, too.

        def allow(now: float) -> bool:
            allowed = spent.begin(key, now, again.budget_share)
            if not allowed:
                exchange.hedged = "budget"
            return allowed

        attempt.hedge = Hedge(after, allow, good, lambda now: spent.ended(key, now))

    return Hooks(prepare=prepare)
