"""Which limits an exchange meets, in which order, whose it is, and what an adaptive limit learns from it."""

from dataclasses import replace

import pytest
from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CONNECT_REFUSED, FIRST_BYTE_TIMEOUT, Failure, FailureError, Kind
from gateway.exchange.route import Forwarding, GatewayPlan, Limit, Route
from gateway.policy.concurrency import Concurrency, ConcurrencySettings, learn, limit_of, principal
from gateway.policy.slots import Slots, Ticket

ONE = Limit(1, 5)


def a_plan(*routes: Route) -> GatewayPlan:
    return GatewayPlan(routes, {route.upstream.name: route.upstream for route in routes}, Forwarding())


def limited(*routes: Route) -> Concurrency:
    made = Concurrency(lambda: 7.0)
    made.adopt(a_plan(*routes))
    return made


def enter(concurrency: Concurrency, route: Route) -> tuple[Exchange, list[Ticket]]:
    """Take an exchange through the queues of its route; return it with the places at which it had to wait."""
    exchange = an_exchange(route=route)
    places = [hooks.queue(exchange) for hooks in concurrency.hooks(route) if hooks.queue is not None]
    return exchange, [place for place in places if isinstance(place, Ticket)]


def finish(exchange: Exchange) -> None:
    for release in exchange.take_releases():
        release()


def test_route_without_limits_costs_nothing() -> None:
    """There is no hook to call."""
    assert limited(a_route()).hooks(a_route()) == ()


def test_exchange_takes_a_slot_of_each_limit_and_gives_both_back() -> None:
    """First the route's, then the upstream's; another route meets only the upstream's."""
    one = a_route(limit=Limit(9), upstream_limit=Limit(9))
    other = replace(one, name="other", limit=None)
    concurrency = limited(one, other)
    first, second = enter(concurrency, one), enter(concurrency, other)
    assert first[1] == second[1] == []
    of_route, of_upstream = concurrency.of("route", "demo"), concurrency.of("upstream", "demo")
    assert of_route is not None and of_upstream is not None
    assert [slots.called for slots in (of_route, of_upstream)] == ["route demo", "upstream demo"]
    assert (of_route.running, of_upstream.running) == (1, 2)
    finish(first[0])
    finish(second[0])
    assert (of_route.running, of_upstream.running) == (0, 0)
    assert concurrency.of("route", "other") is None


def test_slot_is_given_back_by_the_exchange_even_if_it_never_learnt_of_it() -> None:
    """An exchange that is ended while it waits, or in the moment of its turn, gives back what it has by then."""
    route = a_route(limit=ONE)
    concurrency = limited(route)
    slots = concurrency.of("route", "demo")
    running, waiting, last = (enter(concurrency, route)[0] for _ in range(3))
    finish(running)  # Hands the slot to the one that waits, whose end comes before it wakes up.
    finish(waiting)
    assert slots is not None and (slots.running, slots.waiting) == (1, 0)
    finish(last)
    assert slots.running == 0


def test_full_queue_refuses_before_anything_else_is_taken() -> None:
    """Who is refused at the upstream holds a slot of its route only until its end, which comes at once."""
    route = a_route(limit=Limit(5), upstream_limit=Limit(1, 0))
    concurrency = limited(route)
    enter(concurrency, route)
    exchange = an_exchange(route=route)
    hooks = concurrency.hooks(route)
    assert hooks[0].queue is not None and hooks[0].queue(exchange) is None
    with pytest.raises(FailureError):
        assert hooks[1].queue is not None
        hooks[1].queue(exchange)
    finish(exchange)
    slots = concurrency.of("route", "demo")
    assert slots is not None and slots.running == 1


def test_reload_keeps_what_runs_and_waits() -> None:
    """Same limit or other numbers: it is the same table of leases; a limit that is gone is forgotten."""
    route = a_route(limit=ONE)
    concurrency = limited(route)
    running, _ = enter(concurrency, route)
    _, (place,) = enter(concurrency, route)
    concurrency.adopt(a_plan(route))
    assert place.waiting
    wider = a_route(limit=Limit(3, 5))
    concurrency.adopt(a_plan(wider))
    assert not place.waiting
    slots = concurrency.of("route", "demo")
    assert slots is not None and (slots.running, slots.allowed) == (2, 3)
    concurrency.adopt(a_plan(a_route()))
    assert concurrency.of("route", "demo") is None
    finish(running)
    assert slots.running == 1


@pytest.mark.parametrize(
    ("fair_by", "fields", "peer", "expected"),
    [
        ("", [], "192.0.2.7", ("peer", "192.0.2.7")),
        ("", [], "", ("peer", "")),
        ("", [], "2001:db8::1", ("peer", "2001:0db8:0000:0000")),
        ("", [], "2001:db8:0:0:ffff::9", ("peer", "2001:0db8:0000:0000")),
        ("", [], "fe80::1%eth0", ("peer", "fe80:0000:0000:0000")),
        ("", [], "a:b", ("peer", "a:b")),
        ("x-tenant", [("X-Tenant", "acme"), ("X-Tenant", "other")], "192.0.2.7", ("x-tenant", "acme")),
        ("x-tenant", [], "192.0.2.7", ("", "")),
    ],
)
def test_whose_an_exchange_is(
    fair_by: str, fields: list[tuple[str, str]], peer: str, expected: tuple[str, str]
) -> None:
    """A client with IPv6 is one principal however many of its addresses it uses."""
    assert principal(an_exchange(a_request(fields=fields, peer=peer)), fair_by) == expected


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({}, None),
        ({"max_queued": 9}, None),
        ({"max_concurrent": "off"}, None),
        ({"max_concurrent": 20}, Limit(20, 100)),
        ({"max_concurrent": 20, "max_queued": 0}, Limit(20, 0)),
        ({"adaptive": {"min": 2, "max": 50}}, Limit(50, 100, (2, 50))),
        ({"adaptive": {"min": 2, "max": 50}, "max_concurrent": 9}, Limit(50, 100, (2, 50))),
        ({"adaptive": "off", "max_concurrent": 9}, Limit(9, 100)),
    ],
)
def test_settings_make_a_limit(settings: dict[str, object], limit: Limit | None) -> None:
    """None of them, no limit."""
    assert limit_of(ConcurrencySettings.model_validate(settings)) == limit


@pytest.mark.parametrize(("fair_by", "compiled"), [("peer", ""), ("header:X-Tenant", "x-tenant")])
def test_settings_of_waiting_are_compiled(fair_by: str, compiled: str) -> None:
    """A field's name has no case."""
    settings = ConcurrencySettings(priority="high", fair_by=fair_by)
    assert settings.compiled() == {"priority": "high", "fair_by": compiled}


@pytest.mark.parametrize("text", ["X-Tenant", "header:", "header:a b", "Peer", ""])
def test_fairness_by_nothing_there_is_refused(text: str) -> None:
    """A misspelt key would make one principal of all."""
    with pytest.raises(ValueError, match='"peer", or "header:"'):
        ConcurrencySettings(fair_by=text)


class Learning:
    """An adaptive limit that writes down what it is told."""

    def __init__(self) -> None:
        self.slots = Slots(Limit(50, 5, (2, 50)), "upstream demo")
        assert self.slots.adaptive is not None
        self.told: list[tuple[str, float, float]] = []
        self.slots.adaptive.first_byte = self._note("first byte")  # type: ignore[method-assign]
        self.slots.adaptive.pushed_back = self._note("pushed back")  # type: ignore[method-assign]

    def _note(self, what: str):  # type: ignore[no-untyped-def]
        def note(began: float, now: float, running: int) -> bool:
            self.told.append((what, began, now))
            return True

        return note


@pytest.mark.parametrize(
    ("status", "sent_at", "head_at", "failure", "told"),
    [
        (200, 2.0, 5.0, None, [("first byte", 2.0, 5.0)]),
        (404, 2.0, 5.0, None, [("first byte", 2.0, 5.0)]),
        (500, 2.0, 5.0, None, []),
        (429, 2.0, 5.0, None, [("pushed back", 1.0, 5.0)]),
        (503, None, None, None, [("pushed back", 1.0, 1.0)]),
        (200, None, 5.0, None, []),
        (None, 2.0, None, FIRST_BYTE_TIMEOUT, [("pushed back", 1.0, 1.0)]),
        (None, None, None, CONNECT_REFUSED, []),
    ],
)
def test_adaptive_limit_learns_from_heads_and_from_those_that_did_not_come(
    status: int | None,
    sent_at: float | None,
    head_at: float | None,
    failure: Kind | None,
    told: list[tuple[str, float, float]],
) -> None:
    """Errors that come quickly are no speed."""
    learning = Learning()
    exchange, attempt = an_exchange(), an_attempt()
    attempt.started, attempt.sent_at, attempt.status = 1.0, sent_at, status
    exchange.attempts.append(attempt)
    exchange.head_at = head_at
    exchange.failure = None if failure is None else Failure(failure)
    assert learn(learning.slots, exchange) is bool(told)
    assert learning.told == told


def test_nothing_is_learnt_where_nothing_was_tried() -> None:
    """A local answer, or a limit that stands."""
    assert learn(Learning().slots, an_exchange()) is False
    exchange = an_exchange()
    exchange.attempts.append(an_attempt())
    assert learn(Slots(ONE, "x"), exchange) is False


def test_limit_that_grew_lets_those_in_who_wait() -> None:
    """At the head that made it grow, not at the next end."""
    route = a_route(upstream_limit=Limit(50, 50, (2, 50)))
    concurrency = limited(route)
    slots = concurrency.of("upstream", "demo")
    assert slots is not None
    exchanges = [enter(concurrency, route)[0] for _ in range(30)]
    assert (slots.running, slots.waiting) == (20, 10)
    (hooks,) = concurrency.hooks(route)
    assert hooks.commit is not None
    for number, exchange in enumerate((*exchanges[:20], *exchanges[:5])):  # As many as one window wants.
        attempt = an_attempt()
        attempt.started = attempt.sent_at = 7.0 + number
        attempt.status = 200
        exchange.attempts.append(attempt)
        exchange.head_at = attempt.sent_at + 0.5
        hooks.commit(exchange, None)  # type: ignore[arg-type]
    assert slots.running == slots.allowed == 22


def test_nothing_is_learnt_of_an_early_head() -> None:
    """It says nothing about the upstream; the answer that comes below it does, once."""
    route = a_route(upstream_limit=Limit(50, 50, (2, 50)))
    concurrency = limited(route)
    slots = concurrency.of("upstream", "demo")
    assert slots is not None and slots.adaptive is not None
    heard: list[float] = []
    slots.adaptive.pushed_back = lambda began, now, running: heard.append(began) or True  # type: ignore[func-returns-value,method-assign]
    exchange, _ = enter(concurrency, route)
    (hooks,) = concurrency.hooks(route)
    assert hooks.commit is not None
    busy = an_attempt()
    busy.started, busy.status = 7.0, 503
    exchange.attempts.append(busy)
    exchange.early = True

    hooks.commit(exchange, None)  # type: ignore[arg-type]
    assert heard == []

    exchange.committed_at = 9.0
    hooks.commit(exchange, None)  # type: ignore[arg-type]
    assert heard == [7.0]
