"""Which endpoint an attempt goes to, and the account of what happens there, under a clock of our own."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from support.exchanges import a_request, an_exchange

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import BODY_CUT, CLIENT_GONE, CONNECT_REFUSED, HEAD_MISSING, Failure, Kind
from gateway.exchange.outcome import judge
from gateway.exchange.route import BreakerRule, HealthRule, Share, Upstream
from gateway.exchange.target import Endpoint, parse_endpoint
from gateway.policy.endpoints import Endpoints
from gateway.policy.hooks import Verdict

A, B, C = (parse_endpoint(f"http://{name}:80/{name}") for name in "abc")
BREAKER = BreakerRule(failures=2, window_seconds=30.0, open_seconds=10.0, max_open_seconds=40.0, probes=1)
HEALTH = HealthRule("/healthz", 5.0, 2.0, healthy=1, unhealthy=1, statuses=((200, 399),))
PAIR = Upstream("pair", (A, B), breaker=BREAKER)


class World:
    """One upstream's endpoints, a clock, and exchanges that go through the phases as the spine takes them."""

    def __init__(self, upstream: Upstream) -> None:
        self.now = 100.0
        self.told: list[str] = []
        self.endpoints = Endpoints(upstream, self.now, report=self.told.append)

    def adopt(self, upstream: Upstream) -> None:
        self.endpoints = Endpoints(upstream, self.now, before=self.endpoints, report=self.told.append)

    def begin(self, exchange: Exchange | None = None) -> tuple[Exchange, Attempt]:
        """Select and prepare the next attempt."""
        exchange = exchange or an_exchange()
        for earlier in exchange.attempts[-1:]:
            if earlier.give_up is not None:  # As the spine asks: one that has ended cannot be given up.
                earlier.give_up()
        attempt = Attempt(self.endpoints.select(exchange, self.now), started=self.now)
        exchange.attempts.append(attempt)
        hooks = self.endpoints.hooks(lambda: self.now)
        assert hooks.prepare is not None
        hooks.prepare(exchange, attempt)
        return exchange, attempt

    def opened(self, exchange: Exchange, attempt: Attempt, kind: Kind | None = None, status: int = 200) -> None:
        """Judge an attempt that was answered, or failed."""
        if kind is None:
            attempt.status, exchange.head_at = status, self.now
        else:
            attempt.failure = Failure(kind)
        hooks = self.endpoints.hooks(lambda: self.now)
        assert hooks.judge is not None
        assert hooks.judge(exchange, attempt) is Verdict.TAKE

    def finish(self, exchange: Exchange, kind: Kind | None = None) -> None:
        answered = any(each.status is not None for each in exchange.attempts)
        exchange.failure = None if kind is None else Failure(kind)
        exchange.outcome = judge(exchange.failure, committed=answered, local=not answered)
        for release in exchange.take_releases():
            release()

    def ask(self, dead: frozenset[Endpoint] = frozenset(), exchange: Exchange | None = None) -> Endpoint:
        """Let one exchange run from begin to end; return where it went."""
        exchange, attempt = self.begin(exchange)
        kind = CONNECT_REFUSED if attempt.endpoint in dead else None
        self.opened(exchange, attempt, kind)
        self.finish(exchange, kind)
        return attempt.endpoint

    def row(self, endpoint: Endpoint) -> dict[str, object]:
        rows = self.endpoints.snapshot(self.now)["endpoints"]
        assert isinstance(rows, list)
        return next(dict(row) for row in rows if row["endpoint"] == str(endpoint))


def test_without_anything_configured_all_take_turns_whatever_happens() -> None:
    """No breaker, no checks: nothing is inferred."""
    world = World(Upstream("plain", (A, B)))

    assert [world.ask(frozenset({A})) for _ in range(6)] == [A, B] * 3
    assert world.told == []


def test_a_dead_one_of_two_is_left_alone_and_found_again() -> None:
    """Two failures, then none for `open`; a probe that fails doubles the time; one that does well ends it."""
    world = World(PAIR)
    went = [world.ask(frozenset({A})) for _ in range(20)]
    assert went == [A, B, A] + [B] * 17
    assert world.told == ["upstream pair: http://a is left alone for 10 s: connect_refused"]

    world.now += 10
    assert Counter(world.ask(frozenset({A})) for _ in range(10)) == {A: 1, B: 9}
    world.now += 19
    assert Counter(world.ask() for _ in range(4)) == {B: 4}
    world.now += 1
    assert Counter(world.ask() for _ in range(10)) == {A: 5, B: 5}
    assert world.told[-1] == "upstream pair: http://a is used again"


def test_with_all_tripped_all_are_used_and_it_is_told_once() -> None:
    """It fails open, visibly, and the first that does well is trusted again."""
    world = World(PAIR)
    both = frozenset({A, B})
    for _ in range(4):
        world.ask(both)
    assert Counter(world.ask(both) for _ in range(6)) == {A: 3, B: 3}
    shown = world.endpoints.snapshot(world.now)
    assert (shown["failing_open"], shown["failed_open"]) == (True, 6)
    assert [text for text in world.told if "no endpoint" in text] == [
        "upstream pair: no endpoint is available, so all of them are used"
    ]

    alive = world.ask()
    assert {world.ask() for _ in range(4)} == {alive}
    assert world.told[-1] == "upstream pair: an endpoint is available again"
    assert world.endpoints.snapshot(world.now)["failing_open"] is False


def test_a_higher_priority_is_used_only_when_no_lower_one_is_left() -> None:
    """The fallback gets nothing until all of the first group are out, and nothing once one is back."""
    shares = (Share(), Share(), Share(priority=1))
    world = World(replace(PAIR, endpoints=(A, B, C), shares=shares))
    first = frozenset({A, B})

    went = [world.ask(first) for _ in range(10)]
    assert went == [A, B, A, B] + [C] * 6
    world.now += 10
    assert Counter(world.ask() for _ in range(4)) == {A: 2, B: 2}


def test_a_second_attempt_goes_elsewhere_while_there_is_an_elsewhere() -> None:
    """First to what was not tried, also of another priority; then again to what is available."""
    world = World(Upstream("up", (A, B, C), shares=(Share(), Share(), Share(priority=1))))
    exchange, attempt = world.begin()
    went = [attempt.endpoint]
    for _ in range(3):
        world.opened(exchange, attempt, CONNECT_REFUSED)
        exchange, attempt = world.begin(exchange)
        went.append(attempt.endpoint)

    assert went[:3] == [A, B, C]
    assert went[3] in (A, B)


def test_a_connection_gone_stale_does_not_move_the_exchange() -> None:
    """Its second attempt may go to the same endpoint: that one did nothing wrong."""
    world = World(Upstream("up", (A, B), balance="hash", hash_on="path"))
    exchange, attempt = world.begin()
    attempt.reused = True
    world.opened(exchange, attempt, HEAD_MISSING)
    _, second = world.begin(exchange)

    assert second.endpoint == attempt.endpoint
    assert world.row(attempt.endpoint)["failures"] == 0


def test_an_attempt_that_only_needs_a_new_token_does_not_move_the_exchange() -> None:
    """The endpoint has done its part."""
    world = World(Upstream("up", (A, B), balance="hash", hash_on="path"))
    exchange, attempt = world.begin()
    world.opened(exchange, attempt)
    attempt.counted = False
    _, second = world.begin(exchange)

    assert second.endpoint == attempt.endpoint


def test_equal_keys_meet_at_one_endpoint() -> None:
    """As long as it is available; then at another, and at the first one again when it is back."""
    world = World(replace(PAIR, balance="hash", hash_on="header:X-User"))

    def ask(dead: frozenset[Endpoint] = frozenset()) -> Endpoint:
        return world.ask(dead, an_exchange(a_request(fields=[("X-User", "one")])))

    home = ask()
    assert {ask() for _ in range(5)} == {home}
    for _ in range(2):
        ask(frozenset({home}))
    assert {ask() for _ in range(5)} == {A, B} - {home}
    world.now += 10
    assert {ask() for _ in range(5)} == {home}


def test_the_least_loaded_is_chosen_by_what_is_under_way() -> None:
    """Streams that run on count, and count no more once they have ended in whatever way."""
    world = World(Upstream("up", (A, B), balance="least_outstanding"))
    streams = [world.begin() for _ in range(4)]
    on_a = [exchange for exchange, attempt in streams if attempt.endpoint == A]
    assert len(on_a) == 2
    for exchange in on_a:
        world.finish(exchange, CLIENT_GONE)

    assert [world.begin()[1].endpoint for _ in range(2)] == [A, A]


@pytest.mark.parametrize("kind", [None, BODY_CUT, CLIENT_GONE, CONNECT_REFUSED])
def test_an_attempt_is_counted_exactly_as_long_as_it_runs(kind: Kind | None) -> None:
    """Each is given back once, although its failure, the next attempt and the end all would."""
    world = World(Upstream("up", (A,)))
    exchange, first = world.begin()
    assert world.row(A)["in_flight"] == 1
    world.opened(exchange, first, status=503)
    assert world.row(A)["in_flight"] == 1
    _, second = world.begin(exchange)
    assert world.row(A)["in_flight"] == 1
    world.opened(exchange, second, kind if kind is CONNECT_REFUSED else None)
    assert world.row(A)["in_flight"] == (0 if kind is CONNECT_REFUSED else 1)
    world.finish(exchange, kind)

    assert world.row(A)["in_flight"] == 0
    assert world.row(A)["attempts"] == 2
    assert repr(world.endpoints) == "<Endpoints of up: 1, 0 attempts>"


def test_an_exchange_that_never_came_to_an_answer_is_counted_out_too() -> None:
    """A client that leaves while the upstream is dialled, which no failure of the attempt tells."""
    world = World(PAIR)
    exchange, attempt = world.begin()
    world.finish(exchange, CLIENT_GONE)

    assert (world.row(attempt.endpoint)["in_flight"], world.row(attempt.endpoint)["failures"]) == (0, 0)


def test_a_stream_that_breaks_off_counts_against_its_endpoint() -> None:
    """Its status was 200, and its end is what counts."""
    world = World(PAIR)
    for _ in range(3):
        exchange, attempt = world.begin()
        world.opened(exchange, attempt)
        world.finish(exchange, BODY_CUT if attempt.endpoint == A else None)

    assert world.row(A)["state"] == "tripped"
    assert world.row(A)["why"] == "body_cut"


def test_a_status_counts_where_the_breaker_says_so() -> None:
    """The answer still goes to the client; only the endpoint is left alone."""
    world = World(replace(PAIR, breaker=replace(BREAKER, statuses=((503, 503),))))
    for _ in range(3):
        exchange, attempt = world.begin()
        world.opened(exchange, attempt, status=503 if attempt.endpoint == A else 200)
        world.finish(exchange)

    assert (world.row(A)["state"], world.row(A)["why"]) == ("tripped", "status 503")


def test_checks_take_out_and_bring_back() -> None:
    """An endpoint that its checks find unwell gets nothing; whoever is not checked is not touched."""
    world = World(Upstream("up", (A, B), health=HEALTH))
    world.endpoints.checked(A, "status 503", world.now)
    world.endpoints.checked(C, "unknown", world.now)
    assert [world.ask() for _ in range(4)] == [B] * 4
    assert (world.row(A)["state"], world.row(A)["why"]) == ("unhealthy", "status 503")
    assert world.row(A)["health"] == {"well": False, "last_check": "status 503"}

    world.endpoints.checked(A, None, world.now)
    assert Counter(world.ask() for _ in range(4)) == {A: 2, B: 2}
    assert world.told == ["upstream up: http://a is unhealthy: status 503", "upstream up: http://a is well again"]
    assert (world.row(A)["state"], world.row(A)["why"]) == ("available", None)


def test_checks_that_are_not_configured_change_nothing() -> None:
    """A result that comes after a reload took the checks away is dropped."""
    world = World(PAIR)
    world.endpoints.checked(A, "status 503", world.now)

    assert world.row(A)["state"] == "available"


def test_an_endpoint_that_comes_back_starts_slowly() -> None:
    """Its share is small at first and grows; nobody starts slowly when the gateway itself starts."""
    world = World(Upstream("up", (A, B), health=HEALTH, slow_start_seconds=100.0))
    assert Counter(world.ask() for _ in range(10)) == {A: 5, B: 5}
    world.endpoints.checked(A, "status 503", world.now)
    world.endpoints.checked(A, None, world.now)

    assert Counter(world.ask() for _ in range(110))[A] == 10
    world.now += 100
    assert Counter(world.ask() for _ in range(100))[A] in (49, 50, 51)


def test_an_endpoint_that_a_breaker_lets_back_starts_slowly() -> None:
    """The probe that ended well is no proof that it bears everything at once."""
    world = World(replace(PAIR, slow_start_seconds=100.0))
    for _ in range(3):
        world.ask(frozenset({A}))
    world.now += 10
    while world.row(A)["state"] != "available":
        world.ask()

    assert Counter(world.ask() for _ in range(110))[A] in (9, 10, 11)


def test_what_is_known_survives_a_reload() -> None:
    """Counts, breaker and attempts under way of endpoints that stay; a new one starts slowly, weights change."""
    world = World(PAIR)
    for _ in range(3):
        world.ask(frozenset({A}))
    exchange, attempt = world.begin()
    world.adopt(replace(PAIR, endpoints=(C, A, B), shares=(Share(), Share(), Share(2)), slow_start_seconds=60.0))

    assert [world.row(each)["state"] for each in (A, B, C)] == ["tripped", "available", "available"]
    assert (world.row(B)["in_flight"], world.row(B)["weight"]) == (1, 2)
    assert world.endpoints.all[0].started_at == world.now
    world.opened(exchange, attempt)
    world.finish(exchange)
    assert world.row(B)["in_flight"] == 0


def test_a_breaker_with_other_settings_begins_anew() -> None:
    """And what still runs under the old one has no say in the new one."""
    world = World(PAIR)
    for _ in range(2):
        world.ask(frozenset({A, B}))
    exchange, attempt = world.begin()
    world.adopt(replace(PAIR, breaker=replace(BREAKER, failures=1), health=HEALTH))
    world.opened(exchange, attempt, CONNECT_REFUSED)
    world.finish(exchange, CONNECT_REFUSED)

    assert [world.row(each)["state"] for each in (A, B)] == ["available", "available"]
    world.adopt(Upstream("pair", (A, B)))
    assert [(each.breaker, each.health) for each in world.endpoints.all] == [(None, None)] * 2


def test_a_running_exchange_may_know_an_endpoint_that_a_reload_took_away() -> None:
    """Its attempt is not counted anywhere, and nothing breaks."""
    world = World(PAIR)
    exchange, attempt = an_exchange(), Attempt(C, started=world.now)
    exchange.attempts.append(attempt)
    hooks = world.endpoints.hooks(lambda: world.now)
    assert hooks.prepare is not None
    hooks.prepare(exchange, attempt)
    world.opened(exchange, attempt)
    world.finish(exchange)

    assert sum(each.attempts for each in world.endpoints.all) == 0


def test_a_single_endpoint_is_used_whatever_is_known_of_it() -> None:
    """There is nothing to choose, and nothing is reported that nobody can change."""
    world = World(Upstream("up", (A,), breaker=BREAKER))

    assert [world.ask(frozenset({A})) for _ in range(6)] == [A] * 6
    assert world.row(A)["state"] == "tripped"
    assert not [text for text in world.told if "no endpoint" in text]


def test_the_snapshot_says_what_is_known_and_no_base_path() -> None:
    """Every row has the same keys, in JSON's types; a base path may be somebody's key."""
    world = World(replace(PAIR, health=HEALTH))
    exchange, attempt = world.begin()
    world.now += 0.25
    world.opened(exchange, attempt)
    world.finish(exchange)
    world.now += 1
    world.ask(frozenset({B}))
    world.now += 2
    shown = world.endpoints.snapshot(world.now)

    assert json.loads(json.dumps(shown)) == shown
    assert "/a" not in json.dumps(shown).replace("//a", "")
    assert world.row(A) == {
        "endpoint": "http://a",
        "state": "available",
        "why": None,
        "weight": 1,
        "priority": 0,
        "in_flight": 0,
        "attempts": 1,
        "failures": 0,
        "last_failure": None,
        "last_failure_seconds_ago": None,
        "first_byte_p50_ms": 250.0,
        "first_byte_p95_ms": 250.0,
        "breaker": {"state": "passing", "failures": 0, "of": 2, "tripped_for_seconds": None},
        "health": {"well": True, "last_check": "good"},
    }
    assert (world.row(B)["last_failure"], world.row(B)["last_failure_seconds_ago"]) == ("connect_refused", 2.0)


def test_a_flapping_endpoint_gets_less_and_less() -> None:
    """Simulated for an hour, one request a second: it is well for 5 s and dead for 15 s, by turns."""
    world = World(replace(PAIR, breaker=replace(BREAKER, max_open_seconds=300.0)))
    failed = 0
    for second in range(3600):
        world.now += 1
        dead = frozenset({A}) if second % 20 >= 5 else frozenset()
        failed += world.ask(dead) in dead

    assert failed < 3600 * 0.05  # Without a breaker it would be three eighths.
