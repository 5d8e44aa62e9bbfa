"""The store of a worker through its reloads."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import gevent
import pytest
from support.exchanges import a_route
from support.redis_process import RedisProcess

from gateway.exchange.quota import Ask, Quotas, Rate, SharedStore
from gateway.exchange.route import Forwarding, GatewayPlan
from gateway.shared.sharing import Sharing

RATE = Rate("5/min by route", 5, 60.0, 5, "route")


def a_plan(store: SharedStore | None, quotas: Quotas | None = None) -> GatewayPlan:
    return GatewayPlan((replace(a_route(), quotas=quotas),), {}, Forwarding(), shared=store)


def test_nothing_is_made_where_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is not even imported where no route has limits, or no store is shared."""
    monkeypatch.setitem(sys.modules, "gateway.shared.redis_counts", None)  # An import of it fails.
    sharing = Sharing(time.monotonic)
    for plan in (a_plan(SharedStore("redis://x")), a_plan(None, Quotas((RATE,)))):
        sharing.prepare(plan)
        assert sharing.adopt(plan) is None
    sharing.settle()


def test_store_stays_while_its_settings_stay_and_the_one_before_ends_when_it_is_idle(tmp_path: Path) -> None:
    """A reload keeps it; another store is another one, and leases in the first are given back there."""
    with RedisProcess(tmp_path) as redis:
        sharing, quotas = Sharing(time.monotonic), Quotas((RATE,), (), 1)
        first = a_plan(SharedStore(redis.url, timeout_seconds=2.0), quotas)
        before = sharing.adopt(first)
        assert before is not None
        assert sharing.adopt(a_plan(first.shared, replace(quotas, max_streams=2))) is before
        assert before.take(Ask(streams=(1, "p:a", "one"))).granted
        other = a_plan(SharedStore(redis.url, timeout_seconds=2.0, prefix="other:"), quotas)
        sharing.prepare(other)
        after = sharing.adopt(other)
        assert after is not None and after is not before
        assert after.take(Ask(streams=(1, "p:a", "two"))).granted
        before.give_back("p:a", "one")
        with gevent.Timeout(5):
            while not before.idle:
                gevent.sleep(0.01)
        assert sharing.adopt(a_plan(None)) is None
        after.give_back("p:a", "two")
        with gevent.Timeout(5):
            while not after.idle:
                gevent.sleep(0.01)


def test_url_that_cannot_be_used_changes_nothing() -> None:
    """The gateway goes on with what it has."""
    pytest.importorskip("redis")
    sharing = Sharing(time.monotonic)
    with pytest.raises(ValueError, match="cannot be used"):
        sharing.prepare(a_plan(SharedStore("redis://h/0?nonsense=1"), Quotas((RATE,))))
    assert sharing.adopt(a_plan(None)) is None
