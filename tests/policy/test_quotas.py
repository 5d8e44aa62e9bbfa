"""Whose an exchange is, what it is asked, what refuses it, and what it is charged."""

from dataclasses import replace

import pytest
from support.exchanges import a_reply, a_request, a_route, an_attempt, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import FailureError
from gateway.exchange.identity import Identity
from gateway.exchange.marks import Marks, Usage
from gateway.exchange.message import Source
from gateway.exchange.quota import Answer, Ask, Budget, Quotas, Rate, SharedStore, Standing
from gateway.exchange.route import Forwarding, GatewayPlan, Route
from gateway.policy.quotas import BudgetSettings, Meter, QuotaSettings, RateSettings, refusal, used, whose

RATE = Rate("2/min by principal", 2, 60.0, 2, "principal")
BUDGET = Budget("100B/day by principal", 100, 86400.0, "bytes", "principal")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Shared:
    """A store that says what it is told to, and writes down what it was told."""

    def __init__(self, answer: Answer | None) -> None:
        self.answer, self.seen = answer, []

    def take(self, ask: Ask) -> Answer | None:
        self.seen.append(ask)
        return self.answer

    def give_back(self, key: str, lease: str) -> None:
        self.seen.append(("give back", key))

    def charge(self, budget: Budget, key: str, amount: float) -> None:
        self.seen.append(("charge", key, amount))


def a_metered_route(*rules: Rate | Budget, max_streams: int | None = None) -> Route:
    rates = tuple(rule for rule in rules if isinstance(rule, Rate))
    budgets = tuple(rule for rule in rules if isinstance(rule, Budget))
    return replace(a_route(), quotas=Quotas(rates, budgets, max_streams))


def a_meter(*routes: Route, shared: Shared | None = None, fail_open: bool = True, clock: Clock | None = None) -> Meter:
    clock = clock or Clock()
    meter = Meter(clock, clock)
    store = None if shared is None else SharedStore("redis://x", fail_open)
    plan = GatewayPlan(routes, {route.upstream.name: route.upstream for route in routes}, Forwarding(), shared=store)
    meter.adopt(plan, shared)
    return meter


def enter(meter: Meter, route: Route, who: str = "somebody") -> tuple[Exchange, str]:
    """Ask for an exchange; return it with the code of what refused it, or an empty text."""
    exchange = an_exchange(route=route)
    exchange.identity = Identity(who, "key")
    for hooks in meter.hooks(route):
        assert hooks.meter is not None
        try:
            hooks.meter(exchange)
        except FailureError as error:
            exchange.fail(error.failure)
            return exchange, error.failure.kind.code
    return exchange, ""


def end(meter: Meter, exchange: Exchange) -> None:
    for release in exchange.take_releases():
        release()
    assert exchange.route is not None
    for hooks in meter.hooks(exchange.route):
        if hooks.finish is not None:
            hooks.finish(exchange)


def test_route_without_quotas_costs_nothing() -> None:
    """There is no hook to call."""
    assert list(a_meter(a_route()).hooks(a_route())) == []


@pytest.mark.parametrize(
    ("by", "identity", "expected"),
    [
        ("principal", Identity("192.0.2.7", "key"), "p:192.0.2.7"),
        ("principal", Identity("anonymous", "anonymous"), "a:192.0.2.7"),
        ("principal", None, "a:192.0.2.7"),
        ("address", Identity("alice", "key"), "a:192.0.2.7"),
        ("route", None, ""),
        ("header:x-other", None, "h:"),
    ],
)
def test_exchange_is_counted_by_whom_the_rule_says(by: str, identity: Identity | None, expected: str) -> None:
    """Keys of different kinds never meet: a principal that is called like an address is not that address."""
    exchange = an_exchange(a_request(fields=[("X-Team", "search")]), a_route())
    exchange.identity = identity
    assert whose(exchange, by) == expected


def test_value_of_a_field_is_counted_without_being_kept() -> None:
    """It may be a key or a token; what counts, here or in a shared store, is only a digest of it."""
    keys = [
        whose(an_exchange(a_request(fields=[("X-Key", value)]), a_route()), "header:x-key") for value in ("a", "b", "a")
    ]
    assert keys[0] == keys[2] != keys[1]
    assert all(len(key) > 20 for key in keys)


def test_long_keys_are_short_and_still_apart() -> None:
    """What a client writes into a field cannot fill the memory."""
    first, second = ("x" * 5000 + end for end in "ab")
    keys = {whose(an_exchange(a_request(fields=[("T", value)]), a_route()), "header:t") for value in (first, second)}
    assert len(keys) == 2
    assert all(len(key) < 100 for key in keys)


def test_rate_refuses_with_the_wait() -> None:
    """429, Retry-After to the very second, and the rule's name; another principal is not concerned."""
    clock = Clock()
    route = a_metered_route(RATE)
    meter = a_meter(route, clock=clock)
    assert [enter(meter, route)[1] for _ in range(2)] == ["", ""]
    clock.now += 10.5
    exchange, code = enter(meter, route)
    assert code == "rate_limited"
    assert exchange.failure is not None
    assert exchange.failure.fields == (("Retry-After", "20"),)
    assert exchange.failure.detail == "the rate is 2/min by principal"
    assert enter(meter, route, "another")[1] == ""
    clock.now += 20
    assert enter(meter, route)[1] == ""


@pytest.mark.parametrize(("name", "told"), [(None, "3/day by principal"), ("shared", "shared")])
def test_budget_that_is_used_up_is_told_by_what_it_counts_and_its_name(name: str | None, told: str) -> None:
    """A budget called as what it counts is not told in a riddle."""
    ask = Ask(budgets=((Budget(told, 3, 86400.0, "tokens", "principal", name), "p"),))
    failure = refusal(ask, Answer(False, budgets=(Standing(0.0, 5.0, wait_seconds=5.0),)))
    assert failure.detail == f"the budget of tokens is used up: {told}"


def test_every_reply_of_a_limited_route_tells_where_its_caller_stands() -> None:
    """In the place of what the upstream says about its own limits, which are not the client's."""
    clock = Clock()
    route = a_metered_route(RATE)
    meter = a_meter(route, clock=clock)
    exchange, _ = enter(meter, route)
    clock.now += 1.0
    head = a_reply(
        fields=[("RateLimit", '"theirs";r=1'), ("ratelimit-policy", "theirs"), ("X-RateLimit-Limit", "7")]
    ).head
    (hooks,) = meter.hooks(route)
    assert hooks.commit is not None
    hooks.commit(exchange, head)
    assert head.fields == [
        ("X-RateLimit-Limit", "7"),
        ("RateLimit-Policy", '"2/min by principal";q=2;w=60'),
        ("RateLimit", '"2/min by principal";r=1;t=29'),
    ]


def test_streams_of_a_principal_come_back_however_they_end() -> None:
    """A further one is refused at once; a lease is given back by whatever ends the exchange, a refusal included."""
    route = a_metered_route(RATE, max_streams=1)
    meter = a_meter(route)
    first, code = enter(meter, route)
    assert code == ""
    refused, code = enter(meter, route)
    assert code == "too_many_streams"
    end(meter, refused)
    assert enter(meter, route)[1] == "too_many_streams"
    assert enter(meter, route, "another")[1] == ""
    end(meter, first)
    last, code = enter(meter, route)
    assert code == ""
    assert enter(meter, route)[1] == "rate_limited"
    end(meter, last)


def test_ids_that_a_client_may_choose_do_not_share_a_lease() -> None:
    """Two exchanges with one id are two."""
    route = a_metered_route(max_streams=2)
    meter = a_meter(route)
    assert [enter(meter, route)[1] for _ in range(3)] == ["", "", "too_many_streams"]


def test_budget_is_charged_with_what_was_used_and_refuses_then() -> None:
    """The wait goes to the end of the window; what refuses longest is told."""
    clock = Clock()
    clock.now = 86400.0 * 3 + 400
    route = a_metered_route(RATE, BUDGET)
    meter = a_meter(route, clock=clock)
    exchange, _ = enter(meter, route)
    enter(meter, route)
    assert enter(meter, route)[1] == "rate_limited"
    exchange.attempts.append(an_attempt())
    exchange.reply, exchange.relayed_bytes = a_reply(), 100
    end(meter, exchange)
    for _ in range(3):
        refused, code = enter(meter, route)
        assert code == "budget_exhausted"
        assert refused.failure is not None
        assert refused.failure.fields == (("Retry-After", "86000"),)
    assert enter(meter, route, "another")[1] == ""


@pytest.mark.parametrize(
    ("of", "marks", "source", "expected"),
    [
        ("bytes", None, Source.UPSTREAM, 700),
        ("bytes", None, Source.LOCAL, 0),
        ("stream_time", None, Source.UPSTREAM, 12.5),
        ("stream_time", None, Source.LOCAL, 12.5),
        ("tokens", None, Source.UPSTREAM, 0),
        ("tokens", Marks("openai"), Source.UPSTREAM, 0),
        ("tokens", Marks("openai", usage=Usage(3, 4, 9)), Source.UPSTREAM, 9),
        ("tokens", Marks("openai", usage=Usage(3, None, None)), Source.UPSTREAM, 3),
    ],
)
def test_what_was_used_is_read_from_the_record(of: str, marks: Marks | None, source: Source, expected: float) -> None:
    """Octets of the upstream's bodies, time since the first attempt, tokens that the answer told."""
    exchange = an_exchange()
    exchange.attempts.append(an_attempt())
    exchange.attempts[0].started, exchange.finished_at = 200.0, 212.5
    exchange.reply, exchange.relayed_bytes, exchange.marks = a_reply(source=source), 700, marks
    assert used(exchange, of) == expected


@pytest.mark.parametrize("of", ["bytes", "stream_time", "tokens"])
def test_exchange_that_asked_no_upstream_used_nothing(of: str) -> None:
    """Waiting in a queue, and being refused, is free."""
    exchange = an_exchange()
    exchange.finished_at = 300.0
    assert used(exchange, of) == 0


def test_rules_of_one_name_count_together_on_all_routes() -> None:
    """Without a name each route counts alone."""
    for name, expected in (("plan", "rate_limited"), (None, "")):
        rate = replace(RATE, name=name)
        one, other = a_metered_route(rate), replace(a_metered_route(rate), name="other")
        meter = a_meter(one, other)
        assert [enter(meter, one)[1] for _ in range(2)] == ["", ""]
        assert enter(meter, other)[1] == expected


def test_shared_store_decides_where_there_is_one() -> None:
    """What this worker counted does not matter; leases and charges go there, too."""
    shared = Shared(Answer(True, budgets=(), running=0))
    route = a_metered_route(BUDGET, max_streams=1)
    meter = a_meter(route, shared=shared)
    first, second = (enter(meter, route) for _ in range(2))
    assert (first[1], second[1]) == ("", "")
    first[0].attempts.append(an_attempt())
    first[0].reply, first[0].relayed_bytes = a_reply(), 7
    end(meter, first[0])
    assert shared.seen[2:] == [("give back", "demo|p:somebody"), ("charge", "demo|p:somebody", 7)]


@pytest.mark.parametrize(
    ("fail_open", "codes"), [(True, ["", "", "rate_limited"]), (False, ["limits_unavailable"] * 3)]
)
def test_store_that_is_gone_fails_as_it_was_chosen(fail_open: bool, codes: list[str]) -> None:
    """Open: this worker counts for itself, it does not let everything pass. Closed: 503."""
    route = a_metered_route(RATE)
    meter = a_meter(route, shared=Shared(None), fail_open=fail_open)
    assert [enter(meter, route)[1] for _ in range(3)] == codes


def test_reload_gives_nobody_more() -> None:
    """What callers took, and the leases they hold, stay with the worker."""
    route = a_metered_route(RATE, max_streams=2)
    meter = a_meter(route)
    running = [enter(meter, route)[0] for _ in range(2)]
    meter.adopt(GatewayPlan((route,), {}, Forwarding()), None)
    end(meter, running[0])
    assert enter(meter, route)[1] == "rate_limited"


def test_settings_become_rules() -> None:
    """Names of fields are compared without case, and bursts are the limit where nothing else is said."""
    settings = QuotaSettings(
        rates=(RateSettings(limit="5k/day", by="header:X-Team"), RateSettings(limit="9/30s", burst=1, name="slow")),
        budgets=(BudgetSettings(limit="1GiB/h", of="bytes"),),
        max_streams_per_principal=4,
    )
    assert settings.compiled()["quotas"] == Quotas(
        (
            Rate("5k/day by header:x-team", 5000, 86400.0, 5000, "header:x-team"),
            Rate("slow", 9, 30.0, 1, "principal", "slow"),
        ),
        (Budget("1GiB/h by principal", 2**30, 3600.0, "bytes", "principal"),),
        4,
    )
    assert QuotaSettings().compiled()["quotas"] is None
