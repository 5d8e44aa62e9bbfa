"""The shared store of a worker through its reloads: the same one while its settings stay the same."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.exchange.quota import Counts, SharedStore
from gateway.exchange.route import GatewayPlan
from gateway.relay.settling import Settling
from gateway.relay.within import within

if TYPE_CHECKING:
    from gateway.shared.redis_counts import RedisCounts


class Sharing:
    """Makes the store when a plan first needs it: redis is imported only then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._store: SharedStore | None = None
        self._counts: RedisCounts | None = None
        self._settling: Settling | None = None
        self._prepared: tuple[SharedStore, RedisCounts] | None = None

    def prepare(self, plan: GatewayPlan) -> None:
        """Make what ``plan`` needs, without using it yet. Raises ValueError where that cannot be."""
        wanted = _wanted(plan)
        if wanted is not None and wanted != self._store:
            from gateway.shared.redis_counts import RedisCounts

            self._prepared = wanted, RedisCounts(wanted, self._clock, within)

    def adopt(self, plan: GatewayPlan) -> Counts | None:
        """Return where to count for ``plan``. What exchanges hold of the store before is sent there, to its end."""
        wanted = _wanted(plan)
        if wanted == self._store:
            return self._counts
        if self._prepared is None or self._prepared[0] != wanted:
            self._prepared = None
            self.prepare(plan)
        if self._settling is not None:
            self._settling.retire()
        self._store, self._counts, self._settling = wanted, None, None
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            counts = self._counts = prepared[1]
            self._settling = Settling(counts.settle, lambda: counts.idle, counts.close)
            counts.wake = self._settling.wake
        return self._counts

    def settle(self) -> None:
        """Send what exchanges left to be sent, now: bounded in time, as every question is."""
        if self._counts is not None:
            self._counts.settle()


def _wanted(plan: GatewayPlan) -> SharedStore | None:
    return plan.shared if any(route.quotas is not None for route in plan.routes) else None
