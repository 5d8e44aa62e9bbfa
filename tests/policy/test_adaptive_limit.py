"""A limit that finds itself: simulated upstreams that bear so many at once, with a clock of their own."""

import heapq
import random

import pytest

from gateway.policy.adaptive_limit import PROBE_AFTER_WINDOWS, AdaptiveLimit


class Simulation:
    """An upstream that bears ``capacity`` at once and lets all wait longer beyond it, and clients without end."""

    def __init__(self, limit: AdaptiveLimit, *, noise: float = 0.2, stream_seconds: float = 0.0) -> None:
        self.limit = limit
        self._random = random.Random(1)
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
    assert 0.65 * capacity < settled < 1.9 * capacity


def test_it_follows_an_upstream_that_becomes_better_and_worse() -> None:
    """More machines, fewer machines, and a slower model on as many."""
    simulation = Simulation(AdaptiveLimit(2, 200))
    settled = [mean(simulation.run(1200, *upstream)) for upstream in ((20, 0.5), (60, 0.5), (10, 0.5), (20, 1.5))]
    assert 15 < settled[0] < 33
    assert 45 < settled[1] < 95
    assert 7 < settled[2] < 18
    assert 14 < settled[3] < 33


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
    at = fed(limit, 20, 0.1, 20, 0.0)
    grown = limit.allowed
    assert grown > 20
    for _ in range(100):
        assert limit.first_byte(at - 5.0, at, 200) is False
    assert limit.allowed == grown


def test_best_is_measured_anew_now_and_then() -> None:
    """For one window the limit is halved; then it is as before, and the best is what that window found."""
    limit = AdaptiveLimit(2, 40)
    at = 0.0
    for _ in range(PROBE_AFTER_WINDOWS):
        at = fed(limit, 20, 0.1, limit.allowed, at)
    assert limit.allowed == 20
    fed(limit, 20, 0.3, 20, at)
    assert limit.allowed == 40
    assert limit.best_seconds == pytest.approx(0.3)


def test_answers_in_no_time_are_answers() -> None:
    """A clock too coarse to see a difference does not divide by zero."""
    limit = AdaptiveLimit(2, 200)
    fed(limit, 100, 0.0, 200, 0.0)
    assert limit.allowed > 20
