"""A limit that finds itself: simulated upstreams that bear so many at once, with a clock of their own."""

import heapq
import random

import pytest

from gateway.policy.adaptive_limit import AdaptiveLimit


class Simulation:
    """An upstream that bears ``capacity`` at once and lets all wait longer beyond it, and clients without end."""

    def __init__(self, limit: AdaptiveLimit, *, noise: float = 0.2, stream_seconds: float = 0.0, seed: int = 1) -> None:
        self.limit = limit
        self._random = random.Random(seed)
        self._noise = noise
        self._stream_seconds = stream_seconds
        self._now = 0.0
        self._running = 0
        self._events: list[tuple[float, int, bool, float]] = []
        self._number = 0

    def run(self, seconds: float, capacity: int, first_byte_seconds: float) -> list[int]:
        """Let time pass; return the limit after each event of the second half, when it has settled."""
        end, seen = self._now + seconds, []
        while self._now < end:
            while self._running < self.limit.allowed:
                self._running += 1
                stretch = max(1.0, self._running / capacity) * self._random.lognormvariate(0, self._noise)
                self._push(first_byte_seconds * stretch, first=True)
            self._now, _, first, began = heapq.heappop(self._events)
            if first:
                self.limit.first_byte(began, self._now, self._running)
                self._push(self._stream_seconds * 2 * self._random.random(), first=False)
            else:
                self._running -= 1
            seen.append(self.limit.allowed)
        return seen[len(seen) // 2 :]

    def seconds_until(self, mean_limit: float, capacity: int, first_byte_seconds: float) -> float:
        """Let time pass until the limit is around ``mean_limit``, or above; return how long that took."""
        began = self._now
        while mean(self.run(2.0, capacity, first_byte_seconds)) < mean_limit:
            assert self._now < began + 1000
        return self._now - began

    def _push(self, after: float, *, first: bool) -> None:
        self._number += 1
        heapq.heappush(self._events, (self._now + after, self._number, first, self._now))


def mean(values: list[int]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("stream_seconds", [0.0, 5.0])
@pytest.mark.parametrize("capacity", [8, 20, 60])
def test_it_settles_near_what_the_upstream_bears(capacity: int, stream_seconds: float, noise: float) -> None:
    """Steady or noisy, short answers or streams: not half of it, not twice of it."""
    simulation = Simulation(AdaptiveLimit(2, 200), noise=noise, stream_seconds=stream_seconds)
    settled = mean(simulation.run(1500, capacity, 0.5))
    assert 0.8 * capacity < settled < 1.4 * capacity


def test_it_follows_an_upstream_that_becomes_better_and_worse() -> None:
    """More machines, fewer machines, and a slower model on as many."""
    simulation = Simulation(AdaptiveLimit(2, 200))
    settled = [mean(simulation.run(1200, *upstream)) for upstream in ((20, 0.5), (60, 0.5), (10, 0.5), (20, 1.5))]
    assert 17 < settled[0] < 26
    assert 50 < settled[1] < 75
    assert 8 < settled[2] < 14
    assert 17 < settled[3] < 26


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_follows_an_upstream_that_bears_twice_as_much(noise: float, seed: int) -> None:
    """Also one that was full for long: within two hundred times what a first byte takes."""
    simulation = Simulation(AdaptiveLimit(2, 200), noise=noise, seed=seed)
    simulation.run(900, 20, 0.5)
    assert simulation.seconds_until(36, 40, 0.5) < 200 * 0.5


class Thrashing:
    """An upstream that does ``power`` times less and less for each beyond its capacity of 20, and clients without end.

    Of 20 each gets its work done in 0.2 s; of n beyond it gets a share of ``(20 / n) ** power`` of that speed.
    """

    def __init__(self, limit: AdaptiveLimit | None, power: int, noise: float, seed: int) -> None:
        self._limit = limit
        self._power = power
        self._noise = noise
        self._random = random.Random(seed)
        self._now = 0.0
        self._jobs: list[tuple[float, float]] = []

    def run(self, seconds: float) -> float:
        """Let time pass; return what was answered a second."""
        answered, tick, end = 0, 0.005, self._now + seconds
        while self._now < end:
            while len(self._jobs) < (self._limit.allowed if self._limit is not None else 20):
                self._jobs.append((0.2 * self._random.lognormvariate(0, self._noise), self._now))
            self._now += tick
            running = len(self._jobs)
            done = tick * min(1.0, 20 / running) ** self._power
            jobs = [(work - done, began) for work, began in self._jobs]
            self._jobs = [job for job in jobs if job[0] > 0]
            for work, began in jobs:
                if work <= 0:
                    answered += 1
                    if self._limit is not None:
                        self._limit.first_byte(began, self._now + 0.01 * self._random.random(), running)
        return answered / seconds


@pytest.mark.parametrize(
    ("power", "noise", "share"), [(1, 0.05, 0.95), (2, 0.05, 0.95), (3, 0.05, 0.95), (2, 0.2, 0.9)]
)
def test_upstream_that_thrashes_beyond_its_capacity_is_kept_near_its_best(
    power: int, noise: float, share: float
) -> None:
    """What it costs to find the limit, and to go on looking, is a twentieth of what would be answered with it known."""
    best = Thrashing(None, power, noise, seed=1).run(40)
    found = Thrashing(AdaptiveLimit(2, 200), power, noise, seed=1)
    found.run(15)
    assert found.run(40) > share * best


@pytest.mark.parametrize(("least", "most", "begin"), [(2, 200, 20), (30, 200, 30), (2, 10, 10), (5, 5, 5)])
def test_it_begins_with_twenty_or_the_nearest_bound(least: int, most: int, begin: int) -> None:
    """And it never leaves its bounds."""
    limit = AdaptiveLimit(least, most)
    assert limit.allowed == begin
    seen = Simulation(limit).run(300, 50, 0.5)
    assert least <= min(seen) and max(seen) <= most


def fed(limit: AdaptiveLimit, count: int, seconds: float, running: int, at: float) -> float:
    """Let ``count`` exchanges get their first byte after ``seconds`` each; return when the last one did."""
    for _ in range(count):
        limit.first_byte(at, at + seconds, running)
        at += seconds
    return at


def test_it_does_not_grow_where_it_was_not_reached() -> None:
    """Little load says nothing about how much would be borne."""
    limit = AdaptiveLimit(2, 200)
    fed(limit, 1000, 0.5, 5, 0.0)
    assert limit.allowed == 20


def test_upstream_that_says_it_is_overloaded_is_believed() -> None:
    """A tenth of refusals in a window makes it smaller, however quickly the rest was answered."""
    limit = AdaptiveLimit(2, 200)
    at = fed(limit, 18, 0.1, 20, 0.0)
    assert limit.pushed_back(at, at + 0.1, 20) is False
    assert limit.pushed_back(at, at + 0.1, 20) is True
    assert limit.allowed == 17


def test_exchanges_that_began_under_another_limit_do_not_count() -> None:
    """What was sent before the window says what the limit before it did."""
    limit = AdaptiveLimit(2, 200)
    at = fed(limit, 25, 0.1, 20, 0.0)
    grown = limit.allowed
    assert grown > 20
    for _ in range(100):
        assert limit.first_byte(at - 5.0, at, 200) is False
    assert limit.allowed == grown


def test_best_is_measured_anew_now_and_then() -> None:
    """For one window the limit is lowered; then it is as before, and the best is what that window found."""
    limit = AdaptiveLimit(2, 40)
    at, before = 0.0, 0
    while limit.allowed >= before:
        before = limit.allowed
        at = fed(limit, 1, 0.1, limit.allowed, at)
    assert limit.allowed == before // 2
    assert limit.best_seconds == pytest.approx(0.1)
    while limit.allowed < before:
        at = fed(limit, 1, 0.3, limit.allowed, at)
    assert limit.allowed == before
    assert limit.best_seconds == pytest.approx(0.3)


def test_it_goes_back_to_the_last_limit_that_was_good() -> None:
    """And not below it; the limit that was too much is not tried again at once."""
    limit = AdaptiveLimit(2, 200)
    at = fed(limit, 25, 0.1, 20, 0.0)
    tried = limit.allowed
    assert tried > 20
    while limit.allowed == tried:
        at = fed(limit, 1, 0.2, tried, at)
    assert limit.allowed == 20
    fed(limit, 60, 0.1, 20, at)
    assert limit.allowed < tried


def test_answers_in_no_time_are_answers() -> None:
    """A clock too coarse to see a difference does not divide by zero."""
    limit = AdaptiveLimit(2, 200)
    fed(limit, 100, 0.0, 200, 0.0)
    assert limit.allowed > 20
