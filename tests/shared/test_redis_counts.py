"""Counting in a real Redis: what one step grants, what expires by itself, and what becomes of it when Redis is gone."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from support.conditions import wait_until
from support.redis_process import RedisProcess

from gateway.exchange.quota import Ask, Budget, Rate, SharedStore

RATE = Rate("5/min by principal", 5, 60.0, 5, "principal")
BUDGET = Budget("100B/day by principal", 100, 86400.0, "bytes", "principal")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path_factory.mktemp("redis")) as running:
        yield running


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def worker(server: RedisProcess, clock: Clock) -> Iterator[Callable[..., object]]:
    """Make the counts of one more worker; each test has a prefix of its own."""
    from gateway.shared.redis_counts import RedisCounts

    made: list[RedisCounts] = []
    prefix = f"test-{time.monotonic_ns()}:"

    def make(timeout: float = 1.0) -> RedisCounts:
        store = SharedStore(server.url, timeout_seconds=timeout, max_connections=4, prefix=prefix)
        made.append(RedisCounts(store, clock, lambda seconds: nullcontext()))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_workers_share_one_rate(worker: Callable) -> None:
    """What one has let through is missing for the other, and the wait that is told is the real one."""
    one, other = worker(), worker()
    answers = [each.take(Ask(rates=((RATE, "p:a"),))) for each in (one, other, one, other, one, other)]
    assert [answer.granted for answer in answers] == [True] * 5 + [False]
    assert [answer.rates[0].left for answer in answers] == [4, 3, 2, 1, 0, 0]
    assert 11 < answers[-1].rates[0].wait_seconds <= 12
    assert 59 < answers[-1].rates[0].whole_in_seconds <= 60
    assert other.take(Ask(rates=((RATE, "p:b"),))).granted


def test_refusal_by_one_rule_takes_nothing_of_another(worker: Callable) -> None:
    """All or nothing, in one step."""
    counts, tight = worker(), Rate("1/day by route", 1, 86400.0, 1, "route")
    for expected in (True, False, False):
        assert counts.take(Ask(rates=((RATE, "p:a"), (tight, "r")))).granted is expected
    assert counts.take(Ask(rates=((RATE, "p:a"),))).rates[0].left == 3


def test_leases_are_counted_by_id_and_given_back_with_the_next_question(worker: Callable) -> None:
    """Who ends and asks again at once gets in, though nothing was settled meanwhile."""
    counts = worker()
    assert counts.take(Ask(streams=(1, "p:a", "one"))).granted
    refused = worker().take(Ask(streams=(1, "p:a", "two")))
    assert (refused.granted, refused.running) == (False, 1)
    counts.give_back("p:a", "one")
    assert counts.take(Ask(streams=(1, "p:a", "three"))).granted
    counts.give_back("p:a", "three")
    counts.give_back("p:a", "three")
    counts.settle()
    assert counts.idle
    assert worker().take(Ask(streams=(1, "p:a", "four"))).granted


def test_leases_of_a_worker_that_is_gone_expire(worker: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody renews them, so they end by themselves; those that are renewed stay."""
    from gateway.shared import redis_counts

    monkeypatch.setattr(redis_counts, "LEASE_SECONDS", 0.5)
    assert worker().take(Ask(streams=(2, "p:alive", "zero"))).granted
    assert worker().take(Ask(streams=(1, "p:dead", "one"))).granted
    living, clock_moves = worker(), iter(range(1, 10_000))
    assert living.take(Ask(streams=(2, "p:alive", "two"))).granted

    def renewed_and_expired() -> bool:
        living._clock.now += 100.0 * next(clock_moves)
        living.settle()
        return bool(worker().take(Ask(streams=(1, "p:dead", "three"))).granted)

    wait_until(renewed_and_expired, 5, "the lease of the dead worker to expire")
    living._clock.now += 100.0
    living.settle()
    answer = worker().take(Ask(streams=(1, "p:alive", "four")))
    assert (answer.granted, answer.running) == (False, 1)


def test_budget_is_charged_when_settled_and_refuses_until_its_window_ends(worker: Callable) -> None:
    """The wait is that to midnight in UTC, by Redis's own clock."""
    counts, ask = worker(), Ask(budgets=((BUDGET, "p:a"),))
    counts.charge(BUDGET, "p:a", 60)
    counts.charge(BUDGET, "p:a", 39.5)
    assert counts.take(ask).budgets[0].left == 100
    counts.settle()
    assert counts.take(ask).granted
    counts.charge(BUDGET, "p:a", 1)
    counts.settle()
    refused = worker().take(ask)
    assert not refused.granted
    assert abs(refused.budgets[0].wait_seconds - (86400 - time.time() % 86400)) < 5


def test_every_key_expires_by_itself(worker: Callable, server: RedisProcess) -> None:
    """Callers who are gone leave nothing in Redis."""
    counts = worker()
    counts.take(Ask(((RATE, "p:a"),), ((BUDGET, "p:a"),), (3, "p:a", "one")))
    counts.charge(BUDGET, "p:a", 5)
    counts.settle()
    keys = counts._redis.keys(f"{counts._store.prefix}*")
    assert len(keys) == 3
    assert all(counts._redis.pttl(key) > 0 for key in keys)


def test_dead_redis_is_left_alone_and_used_again(tmp_path: Path, clock: Clock) -> None:
    """Nobody can say; after three failures nobody is asked but once a second; what was used meanwhile is not lost."""
    from gateway.shared.redis_counts import RedisCounts

    with RedisProcess(tmp_path) as own:
        counts = RedisCounts(SharedStore(own.url), clock, lambda seconds: nullcontext())
        ask = Ask(((RATE, "p:a"),), ((BUDGET, "p:a"),))
        assert counts.take(ask).granted
        own.kill()
        counts.charge(BUDGET, "p:a", 100)
        assert [counts.take(ask) for _ in range(4)] == [None] * 4
        own.start()
        assert counts.take(ask) is None
        counts.settle()
        assert not counts.idle
        clock.now += 1.0
        assert counts.take(ask).granted
        counts.settle()
        assert counts.idle
        assert not counts.take(ask).granted
        counts.close()


def test_url_that_cannot_be_used_is_refused_without_showing_it(clock: Clock) -> None:
    """The message could hold the password otherwise."""
    pytest.importorskip("redis")
    from gateway.shared.redis_counts import RedisCounts

    for url in ("redis://:hunter2@host/0?nonsense=1", "http://hunter2"):
        with pytest.raises(ValueError, match="cannot be used") as caught:
            RedisCounts(SharedStore(url), clock, lambda seconds: nullcontext())
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
