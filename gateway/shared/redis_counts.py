"""Counts in Redis (or Valkey), shared by workers and machines: one round trip for each exchange that is metered.

What an exchange gives back or has used is noted here and sent soon after by `settle`, which a greenlet calls: the end
of an exchange never waits for Redis. A stream's lease lasts `LEASE_SECONDS` and is renewed while it is held, so that
those of a worker that was killed expire. Every question is bounded in time, and a store that is gone is left alone.
"""

import itertools
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.exchange.quota import Answer, Ask, Budget, SharedStore, Standing
from gateway.shared.circuit import Circuit
from gateway.shared.scripts import CHARGE, RENEW, TAKE

LEASE_SECONDS = 30.0
RENEW_SECONDS = 8.0
MOST_NOTED = 20_000
"""Charges by budget and caller, and callers with leases that ended, that are kept while Redis is gone."""
_BATCH = 500
_MICROSECONDS = 1_000_000

_log = logging.getLogger("gateway")


class RedisCounts:
    """The counts of all who use the same Redis with the same prefix. They are `Counts`."""

    def __init__(
        self,
        store: SharedStore,
        clock: Callable[[], float],
        within: Callable[[float], AbstractContextManager[object]],
    ) -> None:
        """``within`` ends what takes longer than so many seconds by raising TimeoutError, wherever it waits.

        Connects to nothing yet. Raises ValueError for a URL that cannot be used.
        """
        self._store, self._clock, self._within = store, clock, within
        self._redis = redis.Redis(connection_pool=_pool(store))
        self._take, self._renew, self._charge = (
            self._redis.register_script(script) for script in (TAKE, RENEW, CHARGE)
        )
        self._circuit = Circuit()
        self._held: dict[str, dict[str, None]] = {}
        self._ended: dict[str, dict[str, None]] = {}
        self._owed: dict[tuple[str, float], float] = {}
        self._renewed_at = clock()
        self.wake: Callable[[], object] = lambda: None
        """Called when there is something to `settle`."""

    def take(self, ask: Ask) -> Answer | None:
        """Take all of ``ask``, or nothing of it; None where Redis does not answer in time."""
        keys, arguments = self._question(ask)
        if ask.streams is not None:
            # Before it is granted: who is interrupted while it asks may hold it all the same.
            self._held.setdefault(ask.streams[1], {})[ask.streams[2]] = None
        ended = dict(self._ended.get(ask.streams[1], ())) if ask.streams is not None else {}
        found = self._asked(lambda: self._take(keys, [*arguments, *ended]))
        if found is None:
            return None
        if ask.streams is not None:
            self._forget_ended(ask.streams[1], ended)
        answer = _answer(ask, found)
        if not answer.granted and ask.streams is not None:
            self._let_go(ask.streams[1], ask.streams[2])
        return answer

    def give_back(self, key: str, lease: str) -> None:
        """Let a lease go, with the next question about its caller or the next `settle`, what comes first."""
        if self._let_go(key, lease):
            if key in self._ended or len(self._ended) < MOST_NOTED:  # Others expire.
                self._ended.setdefault(key, {})[lease] = None
            self.wake()

    def charge(self, budget: Budget, key: str, amount: float) -> None:
        """So much was used: sent with the next `settle`, in whose window it counts."""
        owed = (self._budget_key(budget, key), budget.seconds)
        if owed in self._owed or len(self._owed) < MOST_NOTED:
            self._owed[owed] = self._owed.get(owed, 0.0) + amount
        self.wake()

    def settle(self) -> None:
        """Send what was noted, and renew the leases that are held. To be called when woken, and every few seconds."""
        while self._ended or self._owed:
            if not self._send_some():
                return
        if self._held and self._clock() - self._renewed_at >= RENEW_SECONDS:
            self._renew_all()

    @property
    def idle(self) -> bool:
        """Whether it holds and owes nothing."""
        return not (self._held or self._ended or self._owed)

    def close(self) -> None:
        """Close its connections."""
        self._redis.connection_pool.disconnect()

    def _send_some(self) -> bool:
        ended = dict(itertools.islice(((key, dict(ids)) for key, ids in self._ended.items()), _BATCH))
        owed = dict(itertools.islice(self._owed.items(), _BATCH))
        for each in owed:
            del self._owed[each]  # Charged anew where it fails; what comes meanwhile is not lost.
        pipeline = self._redis.pipeline(transaction=False)
        for key, ids in ended.items():
            pipeline.zrem(self._stream_key(key), *ids)
        for (key, seconds), amount in owed.items():
            self._charge([key], [int(seconds * _MICROSECONDS), repr(amount)], client=pipeline)
        if self._asked(pipeline.execute) is None:
            for each, amount in owed.items():
                self._owed[each] = self._owed.get(each, 0.0) + amount
            return False
        for key, ids in ended.items():
            self._forget_ended(key, ids)
        return True

    def _renew_all(self) -> None:
        held = [(key, list(ids)) for key, ids in self._held.items()]
        for start in range(0, len(held), _BATCH):
            pipeline = self._redis.pipeline(transaction=False)
            for key, ids in held[start : start + _BATCH]:
                self._renew([self._stream_key(key)], [int(LEASE_SECONDS * _MICROSECONDS), *ids], client=pipeline)
            if self._asked(pipeline.execute) is None:
                return
        # One that ended meanwhile may have been written anew.
        for key, ids in held:
            gone = {lease: None for lease in ids if lease not in self._held.get(key, ())}
            if gone:
                self._ended.setdefault(key, {}).update(gone)
        self._renewed_at = self._clock()

    def _asked(self, question: Callable[[], object]) -> list[int] | None:
        """Return what Redis says; None where it does not, or nobody asks it at the moment."""
        if not self._circuit.admits(self._clock()):
            return None
        try:
            with self._within(self._store.timeout_seconds):
                found = question()
        except (redis.RedisError, OSError) as error:
            if self._circuit.failed(self._clock()):
                manner = "each worker counts for itself" if self._store.fail_open else "requests are refused"
                _log.warning("the shared Redis does not answer (%s): %s", type(error).__name__, manner)
            return None
        if self._circuit.succeeded():
            _log.info("the shared Redis answers again")
        assert isinstance(found, list)
        return found

    def _question(self, ask: Ask) -> tuple[list[str], list[str | float]]:
        keys: list[str] = []
        rules: list[float] = []
        for rate, key in ask.rates:
            interval = rate.seconds * _MICROSECONDS / rate.count
            keys.append(f"{self._store.prefix}rate:{rate.name or rate.called}:{key}")
            rules += [interval, interval * rate.burst]
        for budget, key in ask.budgets:
            keys.append(self._budget_key(budget, key))
            rules += [budget.amount, int(budget.seconds * _MICROSECONDS)]
        limit = -1 if ask.streams is None else ask.streams[0]
        arguments: list[str | float] = [len(ask.rates), len(ask.budgets), limit, *rules]
        if ask.streams is not None:
            keys.append(self._stream_key(ask.streams[1]))
            arguments += [int(LEASE_SECONDS * _MICROSECONDS), ask.streams[2]]
        return keys, arguments

    def _stream_key(self, key: str) -> str:
        return f"{self._store.prefix}streams:{key}"

    def _budget_key(self, budget: Budget, key: str) -> str:
        return f"{self._store.prefix}budget:{budget.of}:{budget.name or budget.called}:{key}"

    def _let_go(self, key: str, lease: str) -> bool:
        held = self._held.get(key)
        if held is None or lease not in held:
            return False
        del held[lease]
        if not held:
            del self._held[key]
        return True

    def _forget_ended(self, key: str, ids: dict[str, None]) -> None:
        noted = self._ended.get(key)
        if noted is None:
            return
        for lease in ids:
            noted.pop(lease, None)
        if not noted:
            del self._ended[key]


def _pool(store: SharedStore) -> redis.ConnectionPool:
    seconds = store.timeout_seconds
    try:
        pool = redis.BlockingConnectionPool.from_url(
            store.redis,
            protocol=2,
            max_connections=store.max_connections,
            timeout=seconds,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            # Once, for the race with the close of an idle connection; a request may then be counted twice, never not.
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[redis.ConnectionError],
        )
        pool.connection_class(**pool.connection_kwargs)  # An option that it does not know shows itself here.
    except (ValueError, TypeError, redis.RedisError) as error:
        # Not what it says: that may hold the password.
        raise ValueError(f"the URL of the shared Redis cannot be used ({type(error).__name__})") from None
    return pool


def _answer(ask: Ask, found: list[int]) -> Answer:
    granted, running, *numbers = found
    standings = [
        Standing(left, whole / _MICROSECONDS, wait / _MICROSECONDS)
        for left, whole, wait in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    ]
    rates = len(ask.rates)
    return Answer(bool(granted), tuple(standings[:rates]), tuple(standings[rates:]), running)
