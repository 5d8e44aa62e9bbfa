"""What a caller may take over time: requests, streams at once, and budgets of octets, stream time and tokens.

The counts are asked in a phase of their own, `meter`, for they may be in a Redis that several workers share: that is
I/O, done by the store that `gateway.app` hands in. Without one each worker counts for itself, and nothing waits.
Budgets are charged at the end, from the exchange's record: from what was used, not from what was announced.
"""

import hashlib
import itertools
import secrets
from collections.abc import Callable, Iterator
from math import ceil
from typing import Literal

from pydantic import Field

from gateway.config.model import Model
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    BUDGET_EXHAUSTED,
    LIMITS_UNAVAILABLE,
    RATE_LIMITED,
    TOO_MANY_STREAMS,
    Failure,
    FailureError,
    Kind,
)
from gateway.exchange.message import ReplyHead, Source
from gateway.exchange.quota import Answer, Ask, Budget, Counts, Quotas, Rate
from gateway.exchange.route import GatewayPlan, Route
from gateway.grammar.counts import CountOrOff
from gateway.grammar.quotas import BudgetText, By, RateText, format_per_time
from gateway.grammar.tokens import Name
from gateway.policy.client_address import client_network
from gateway.policy.concurrency import ConcurrencySettings
from gateway.policy.hooks import Hooks
from gateway.policy.quota_counts import LocalCounts
from gateway.policy.quota_fields import policy_field, standing_field

ACTS_ON = ("limits.rates", "limits.max_streams_per_principal", "limits.budgets")
"""The settings that decide what it does, as a route sees them."""

KIND_OF = {"bytes": "size", "stream_time": "duration", "tokens": "count"}
"""What the amount of a budget must be, by what it is of."""
_LONGEST_KEY = 96
_NO_STREAM_RETRY_SECONDS = 1
_MOST_RETRY_SECONDS = 31 * 24 * 3600


class RateSettings(Model):
    """How many requests somebody may send."""

    limit: RateText = Field(examples=["100/min"])
    """Requests in a period: "s", "min", "h", "day", or a duration as in "10/30s". Requests/period; required."""
    by: By = "principal"
    """Whose requests count together: "principal" for who authentication says it is (without it, the address),
    "address" for the client's network (IPv6: the /64), "route" for all, "header:NAME" for the values of a field.
    Default "principal". Clients choose their fields, and a new one with each request if they like."""
    burst: int | None = Field(default=None, ge=1, le=1_000_000_000, examples=[20])
    """Requests that may come at once; they come back evenly, at the pace of `limit`. Number. Default: those of
    `limit`. In any time t no more than burst + t x limit pass."""
    name: Name | None = Field(default=None, examples=["plan-a"])
    """Rules of one name count together, on all routes that have them. Name. Default none: each route counts alone."""

    def rule(self) -> Rate:
        """Return what the settings mean."""
        count, by = int(self.limit.amount), _lower(self.by)
        called = self.name or f"{format_per_time(self.limit)} by {by}"
        return Rate(called, count, self.limit.seconds, self.burst or count, by, self.name)


class BudgetSettings(Model):
    """How much somebody may use up."""

    limit: BudgetText = Field(examples=["10GiB/day"])
    """Amount in a period: a size for bytes, a duration for stream_time, a number for tokens. Windows begin at
    multiples of the period since 1970 in UTC: a day at midnight. Amount/period; required."""
    of: Literal["bytes", "stream_time", "tokens"] = Field(examples=["bytes"])
    """What is counted when an exchange has ended: "bytes" of the upstream's bodies, "stream_time" from the first
    attempt to the end, "tokens" that the answer said it cost (needs `stream.format`). Required."""
    by: By = "principal"
    """Whose use counts together, as in `rates`. Default "principal"."""
    name: Name | None = Field(default=None, examples=["plan-a-tokens"])
    """Budgets of one name are one budget, on all routes that have them. Name. Default none: each route has its own."""

    def rule(self) -> Budget:
        """Return what the settings mean."""
        by = _lower(self.by)
        called = self.name or f"{format_per_time(self.limit)} by {by}"
        return Budget(called, self.limit.amount, self.limit.seconds, self.of, by, self.name)


class QuotaSettings(ConcurrencySettings):
    """How much a caller may take over time."""

    rates: tuple[RateSettings, ...] = Field(
        default=(), examples=[[{"limit": "100/min", "by": "principal"}, {"limit": "20/s", "by": "address"}]]
    )
    """Requests that somebody may send; all rules must let a request pass, or it gets 429 and takes nothing. Array of
    tables, at most 16. Default empty. Counted for each worker, unless `[shared]` says where together."""
    max_streams_per_principal: CountOrOff = None
    """Exchanges of the route that one principal may have under way at once; further ones get 429 at once. Number or
    "off". Default "off". Without authentication the client's address is the principal."""
    budgets: tuple[BudgetSettings, ...] = Field(
        default=(), examples=[[{"limit": "10GiB/day", "of": "bytes"}, {"limit": "24h/day", "of": "stream_time"}]]
    )
    """What somebody may use up; requests get 429 once it is used up, until the window ends. Array of tables, at most
    16. Default empty. What runs is not cut: it may end above the budget."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        rates, budgets = (each.rule() for each in self.rates), (each.rule() for each in self.budgets)
        quotas = Quotas(tuple(rates), tuple(budgets), self.max_streams_per_principal)
        return {"quotas": None if quotas == Quotas() else quotas, **super().compiled()}


def _lower(by: str) -> str:
    return by.lower() if by.startswith("header:") else by


def whose(exchange: Exchange, by: str) -> str:
    """Return the key of the caller by the rule ``by``; keys of different kinds never meet, and none is long."""
    if by == "route":
        return ""
    if by.startswith("header:"):
        value = exchange.request.first(by[7:])
        # As its digest: it may be a credential, which must not stand in a store.
        return "h:" if value is None else _digested("h:=" + value)
    identity = exchange.identity
    if by == "principal" and identity is not None and identity.method != "anonymous":
        return _short("p:" + identity.principal)
    assert exchange.route is not None
    return "a:" + client_network(exchange, exchange.route.forwarding)


def _short(key: str) -> str:
    """Return a key that cannot fill the memory: a long one as its digest."""
    return key if len(key) <= _LONGEST_KEY else _digested(key)


def _digested(key: str) -> str:
    return key[:3] + "#" + hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def used(exchange: Exchange, of: str) -> float:
    """Return what an ended exchange has used of an upstream: octets, seconds, or tokens, as its record says."""
    if not exchange.attempts:
        return 0.0
    if of == "bytes":
        local = exchange.reply is None or exchange.reply.source is Source.LOCAL
        return 0.0 if local else exchange.relayed_bytes
    if of == "stream_time":
        return max((exchange.finished_at or 0.0) - exchange.attempts[0].started, 0.0)
    usage = exchange.marks.usage if exchange.marks is not None else None
    if usage is None:
        return 0.0
    if usage.total_tokens is not None:
        return usage.total_tokens
    return (usage.prompt_tokens or 0) + (usage.completion_tokens or 0)


def refusal(ask: Ask, answer: Answer) -> Failure:
    """Return the failure of who was not granted ``ask``: of all that refuses, what takes longest."""
    found: list[tuple[float, Kind, str]] = []
    for (rate, _), standing in zip(ask.rates, answer.rates, strict=True):
        if standing.wait_seconds:
            found.append((standing.wait_seconds, RATE_LIMITED, f"the rate is {rate.called}"))
    for (budget, _), standing in zip(ask.budgets, answer.budgets, strict=True):
        if standing.wait_seconds:
            found.append(
                (standing.wait_seconds, BUDGET_EXHAUSTED, f"the budget of {budget.of} is used up: {budget.called}")
            )
    if ask.streams is not None and answer.running >= ask.streams[0]:
        found.append((_NO_STREAM_RETRY_SECONDS, TOO_MANY_STREAMS, f"{answer.running} are under way"))
    seconds, kind, detail = max(found, key=lambda each: each[0])
    return Failure(kind, detail, (("Retry-After", str(min(max(ceil(seconds), 1), _MOST_RETRY_SECONDS))),))


class Meter:
    """The quotas of one worker, with all that was counted. A reload makes new hooks, which hold on to the counts."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        """``clock`` is monotonic, ``wall`` says the seconds since 1970."""
        self._clock = clock
        self.local = LocalCounts(clock, wall)
        # Not the exchange's id: a trusted peer may send one id twice.
        self._leases = map((secrets.token_hex(8) + "-{}").format, itertools.count())
        self.shared: Counts | None = None
        """Where several workers count together."""
        self.fail_open = True

    def adopt(self, plan: GatewayPlan, shared: Counts | None) -> None:
        """Count by the rules of ``plan`` from now on; callers keep what they took by rules that stay."""
        found = [route.quotas for route in plan.routes if route.quotas is not None]
        rules: list[Rate | Budget] = [rate for quotas in found for rate in quotas.rates]
        self.local.keep(rules + [budget for quotas in found for budget in quotas.budgets])
        self.shared = shared
        self.fail_open = plan.shared is None or plan.shared.fail_open

    def hooks(self, route: Route) -> Iterator[Hooks]:
        """Yield what asks for the quotas of ``route``; nothing where it has none."""
        if route.quotas is not None:
            yield self._hooks(route, route.quotas)

    def _hooks(self, route: Route, quotas: Quotas) -> Hooks:
        clock, local, shared, fail_open = self._clock, self.local, self.shared, self.fail_open
        leases = self._leases
        told = policy_field(quotas.rates)

        def take(ask: Ask) -> Answer:
            answer = None if shared is None else shared.take(ask)
            if answer is not None:
                return answer
            if shared is not None and not fail_open:
                raise FailureError(Failure(LIMITS_UNAVAILABLE, "the store that limits are counted in does not answer"))
            return local.take(ask)

        def meter(exchange: Exchange) -> None:
            lease = "" if quotas.max_streams is None else next(leases)
            ask = asked(exchange, route.name, quotas, lease)
            if ask.streams is not None:
                # Promised before it is asked for: what ends the exchange while it waits must give it back, too.
                exchange.at_finish(_giving_back(ask.streams[1], ask.streams[2], local, shared))
            answer = take(ask)
            exchange.standings, exchange.metered_at = answer.rates, clock()
            if not answer.granted:
                raise FailureError(refusal(ask, answer))

        def commit(exchange: Exchange, head: ReplyHead) -> None:
            # Also those of earlier drafts: what the upstream says is about the gateway, not about this caller.
            head.fields[:] = [line for line in head.fields if not line[0].lower().startswith("ratelimit")]
            head.fields.append(("RateLimit-Policy", told))
            if exchange.metered_at is not None:
                waited = clock() - exchange.metered_at
                head.fields.append(("RateLimit", standing_field(quotas.rates, exchange.standings, waited)))

        def finish(exchange: Exchange) -> None:
            for budget in quotas.budgets:
                amount = used(exchange, budget.of)
                if amount:
                    key = _key(budget, route.name, exchange)
                    local.charge(budget, key, amount)  # Also where it is shared: for the time in which that is gone.
                    if shared is not None:
                        shared.charge(budget, key, amount)

        return Hooks(meter=meter, commit=commit if quotas.rates else None, finish=finish if quotas.budgets else None)


def asked(exchange: Exchange, route: str, quotas: Quotas, lease: str) -> Ask:
    """Return what an exchange needs of the quotas of its route."""
    rates = tuple((rate, _key(rate, route, exchange)) for rate in quotas.rates)
    budgets = tuple((budget, _key(budget, route, exchange)) for budget in quotas.budgets)
    if quotas.max_streams is None:
        return Ask(rates, budgets)
    return Ask(rates, budgets, (quotas.max_streams, f"{route}|{whose(exchange, 'principal')}", lease))


def _key(rule: Rate | Budget, route: str, exchange: Exchange) -> str:
    key = whose(exchange, rule.by)
    return key if rule.name is not None else f"{route}|{key}"


def _giving_back(key: str, lease: str, local: LocalCounts, shared: Counts | None) -> Callable[[], None]:
    def give_back() -> None:
        local.give_back(key, lease)
        if shared is not None:
            shared.give_back(key, lease)

    return give_back
