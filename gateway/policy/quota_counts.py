"""What callers took, counted in this process: rates, budgets and streams. Pure but for the clocks it is given.

A rate is a bucket of ``burst`` requests that is filled again evenly (the generic cell rate algorithm): one number for
each caller. In any period p at most ``burst + p * count / seconds`` requests pass, and what is told of the wait is
exact. A request that is refused takes nothing.

What is remembered is bounded. A caller is forgotten as soon as forgetting changes nothing: when its bucket is full
again, or its window over. Where ``KEPT`` callers of one rule are remembered and none of them can be forgotten, further
ones count together as one: somebody with many addresses can neither push others' counts out nor fill the memory.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from math import floor

from gateway.exchange.quota import Answer, Ask, Budget, Rate, Standing

KEPT = 65_536
"""Callers remembered for each rule: about 15 MB."""
_LOOKS = 8
"""Callers that are looked at to find one that can be forgotten."""
_GRAIN = 1e-6
"""Of a request: what sums of floating point numbers may be off."""
_OTHERS = "\0others"


class Bounded:
    """Values by key, at most ``bound`` and one more for all others. ``over`` says when a value means nothing more."""

    def __init__(self, bound: int = KEPT) -> None:
        self._bound = bound
        self._kept: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def seat(self, key: str, now: float) -> str:
        """Return the key to count ``key`` under; what is over is forgotten on the way."""
        kept = self._kept
        if key in kept or not kept:
            return key
        looks = 2 if len(kept) < self._bound else _LOOKS
        for _ in range(min(looks, len(kept))):
            oldest = next(iter(kept))
            if kept[oldest][0] <= now:
                del kept[oldest]
            else:
                kept.move_to_end(oldest)
        return key if len(kept) < self._bound else _OTHERS

    def get(self, key: str) -> tuple[float, float]:
        """Return when the value is over, and the value."""
        return self._kept.get(key, (0.0, 0.0))

    def put(self, key: str, over: float, value: float = 0.0) -> None:
        """Remember ``value`` until ``over``."""
        self._kept[key] = (over, value)
        self._kept.move_to_end(key)


class LocalCounts:
    """The counts of one worker. They are `Counts`."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float], bound: int = KEPT) -> None:
        """``clock`` is monotonic, ``wall`` says the seconds since 1970: windows of budgets begin by the calendar."""
        self._clock, self._wall, self._bound = clock, wall, bound
        self._tables: dict[tuple[object, ...], Bounded] = {}
        self._leases: dict[str, set[str]] = {}

    def keep(self, rules: Iterable[Rate | Budget]) -> None:
        """Forget what was counted for other rules than these."""
        wanted = {_table(rule) for rule in rules}
        self._tables = {key: table for key, table in self._tables.items() if key in wanted}

    def take(self, ask: Ask) -> Answer:
        """Take all of ``ask``, or nothing of it."""
        now = self._clock()
        granted, running, rates, budgets = True, 0, [], []
        seats = []
        for rate, key in ask.rates:
            found, table, seat = self._look_at_rate(rate, key, now)
            rates.append(found)
            seats.append((table, seat))
            if found.wait_seconds:
                granted = False
        for budget, key in ask.budgets:
            budgets.append(self._look_at_budget(budget, key))
            if budgets[-1].wait_seconds:
                granted = False
        if ask.streams is not None:
            limit, key, lease = ask.streams
            running = len(self._leases.get(key, ()))
            granted = granted and running < limit
            if granted:
                self._leases.setdefault(key, set()).add(lease)
        if granted:
            for found, (table, seat) in zip(rates, seats, strict=True):
                table.put(seat, now + found.whole_in_seconds)
        return Answer(granted, tuple(rates), tuple(budgets), running)

    def give_back(self, key: str, lease: str) -> None:
        """Let a lease go."""
        held = self._leases.get(key)
        if held is not None:
            held.discard(lease)
            if not held:
                del self._leases[key]

    def charge(self, budget: Budget, key: str, amount: float) -> None:
        """So much was used, in the window of this moment."""
        now = self._wall()
        table, end = self._table(budget), window_end(budget, now)
        seat = table.seat(key, now)
        over, used = table.get(seat)
        table.put(seat, end, amount + (used if over == end else 0.0))

    def snapshot(self) -> dict[str, int]:
        """Return how many callers are remembered, and how many leases are held."""
        return {"callers": sum(map(len, self._tables.values())), "leases": sum(map(len, self._leases.values()))}

    def _table(self, rule: Rate | Budget) -> Bounded:
        key = _table(rule)
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = Bounded(self._bound)
        return table

    def _look_at_rate(self, rate: Rate, key: str, now: float) -> tuple[Standing, Bounded, str]:
        table = self._table(rate)
        seat = table.seat(key, now)
        whole_at = max(table.get(seat)[0], now)
        return standing(rate, whole_at - now), table, seat

    def _look_at_budget(self, budget: Budget, key: str) -> Standing:
        now = self._wall()
        table, end = self._table(budget), window_end(budget, now)
        over, used = table.get(table.seat(key, now))
        left = budget.amount - (used if over == end else 0.0)
        return Standing(max(left, 0.0), end - now, 0.0 if left > 0 else end - now)


def standing(rate: Rate, whole_in: float) -> Standing:
    """Return how ``rate`` stands for one more request of a caller whose bucket is full again in ``whole_in``."""
    interval = rate.seconds / rate.count
    tolerance, taken = interval * rate.burst, whole_in + interval
    wait = taken - tolerance
    if wait > interval * _GRAIN:
        return Standing(0, whole_in, wait)
    return Standing(max(floor((tolerance - taken) / interval + _GRAIN), 0), taken)


def window_end(budget: Budget, now: float) -> float:
    """Return when the window ends in which ``now`` lies, both in seconds since 1970."""
    return (now // budget.seconds + 1) * budget.seconds


def _table(rule: Rate | Budget) -> tuple[object, ...]:
    """Return what makes two rules count in one table: keys hold the route, or the name, so that it may be wide."""
    if isinstance(rule, Rate):
        return ("rate", rule.name or rule.called, rule.count, rule.seconds)
    return ("budget", rule.name or rule.called, rule.of, rule.seconds)
