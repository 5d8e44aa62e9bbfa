"""Waiting for a turn: whatever ends it, in whatever order, the slot is given back."""

import itertools
import time
from collections.abc import Callable

import gevent
import pytest
from support.exchanges import a_route, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    CLIENT_GONE,
    QUEUE_FULL,
    QUEUE_TIMEOUT,
    TOTAL_TIMEOUT,
    Failure,
    FailureError,
    Interruption,
)
from gateway.exchange.route import Forwarding, GatewayPlan, Limit, Timeouts
from gateway.policy.concurrency import Concurrency
from gateway.relay.interrupts import Interrupts
from gateway.relay.turn import Turn

GONE = Failure(CLIENT_GONE)
PATIENCE_SECONDS = 5.0


class Worker:
    """A route with limits, and exchanges that wait at them in greenlets of their own."""

    def __init__(self, limit: Limit, timeouts: Timeouts | None = None, *, upstream_limit: Limit | None = None) -> None:
        self.route = a_route(limit=limit, upstream_limit=upstream_limit, timeouts=timeouts)
        self.concurrency = Concurrency(time.monotonic)
        self.concurrency.adopt(
            GatewayPlan((self.route,), {self.route.upstream.name: self.route.upstream}, Forwarding())
        )
        slots = self.concurrency.of("route", self.route.name)
        assert slots is not None
        self.slots = slots


class Entrant:
    """One exchange: waits, says that it runs, and ends when it is told, or is interrupted."""

    def __init__(self, worker: Worker) -> None:
        self.exchange: Exchange = an_exchange(route=worker.route)
        self.interrupts: Interrupts
        self.ran = False
        self.ended: object = None
        self._worker = worker
        self._go = gevent.event.Event()
        self.greenlet = gevent.spawn(self._run)
        gevent.sleep(0)

    def _run(self) -> None:
        self.interrupts = Interrupts(time.monotonic)
        turn = Turn(self.interrupts, time.monotonic)
        try:
            for hooks in self._worker.concurrency.hooks(self._worker.route):
                assert hooks.queue is not None
                place = hooks.queue(self.exchange)
                if place is not None:
                    turn.wait(self.exchange, place)
            self.ran = True
            self._go.wait()
        except (FailureError, Interruption) as error:
            self.ended = error.failure.kind
        finally:
            self.interrupts.disarm()
            for release in self.exchange.take_releases():
                release()

    def leave(self) -> None:
        """Let it end by itself."""
        self._go.set()


def settle() -> None:
    """Let every greenlet that can go on do so."""
    for _ in range(10):
        gevent.sleep(0)


def test_turn_comes_when_a_slot_is_given_back() -> None:
    """It waits for as long as that takes, and the exchange knows how long that was."""
    worker = Worker(Limit(1, 5))
    first, second = Entrant(worker), Entrant(worker)
    assert first.ran and not second.ran
    first.leave()
    settle()
    assert second.ran
    assert first.exchange.queued_seconds is None
    assert second.exchange.queued_seconds is not None and second.exchange.queued_seconds > 0


def test_wait_ends_with_the_queue_timeout() -> None:
    """As a failure that says when to come again; the place is free."""
    worker = Worker(Limit(1, 5), Timeouts(queue=0.03))
    Entrant(worker)
    late = Entrant(worker)
    late.greenlet.join(PATIENCE_SECONDS)
    assert late.ended is QUEUE_TIMEOUT
    assert (worker.slots.running, worker.slots.waiting) == (1, 0)
    assert late.exchange.queued_seconds is not None and 0.025 < late.exchange.queued_seconds < 1


def test_one_timeout_is_for_both_queues() -> None:
    """What was waited at the route is missing at the upstream."""
    worker = Worker(Limit(1, 5), Timeouts(queue=0.2), upstream_limit=Limit(1, 5))
    first = Entrant(worker)
    other = worker.concurrency.of("upstream", "demo")
    assert other is not None
    holder = other.ask("high", ("x", "y"), time.monotonic())
    late = Entrant(worker)
    began = time.monotonic()
    gevent.sleep(0.1)
    first.leave()
    late.greenlet.join(PATIENCE_SECONDS)
    assert late.ended is QUEUE_TIMEOUT
    assert 0.15 < time.monotonic() - began < 0.29
    assert (worker.slots.running, worker.slots.waiting, other.waiting) == (0, 0, 0)
    other.leave(holder, time.monotonic())
    assert other.running == 0


@pytest.mark.parametrize("timeouts", [Timeouts(queue=None, total=0.03), Timeouts(queue=60.0, total=0.03)])
def test_total_time_counts_while_waiting(timeouts: Timeouts) -> None:
    """Also where the queue itself has no limit."""
    worker = Worker(Limit(1, 5), timeouts)
    Entrant(worker)
    late = Entrant(worker)
    late.greenlet.join(PATIENCE_SECONDS)
    assert late.ended is TOTAL_TIMEOUT


def test_lost_place_is_the_failure_it_was_lost_by() -> None:
    """Who made room for another is refused like one who found the queue full."""
    worker = Worker(Limit(1, 2))
    Entrant(worker)
    kept, loser = Entrant(worker), Entrant(worker)
    other = worker.slots.ask("normal", ("peer", "198.51.100.1"), time.monotonic())
    settle()
    assert loser.ended is QUEUE_FULL
    assert not kept.ran and kept.ended is None and other.waiting


def test_queue_timeout_does_not_strike_after_the_turn_came() -> None:
    """What is over cannot be late any more."""
    worker = Worker(Limit(1, 5), Timeouts(queue=0.03))
    first, second = Entrant(worker), Entrant(worker)
    first.leave()
    gevent.sleep(0.08)
    assert second.ran and second.ended is None


def client_leaves(entrant: Entrant) -> None:
    entrant.interrupts.interrupt(GONE)


Event = tuple[str, Callable[[Entrant], None], int]
RUNNING_ENDS = ("running ends", Entrant.leave, 0)
WAITING_LEAVES = ("waiting leaves", client_leaves, 1)
RUNNING_LEAVES = ("running's client leaves", client_leaves, 0)
NEXT_LEAVES = ("next leaves", client_leaves, 2)


@pytest.mark.parametrize("switches", list(itertools.product([0, 1, 2], repeat=3)))
@pytest.mark.parametrize(
    "order", list(itertools.permutations([RUNNING_ENDS, WAITING_LEAVES, RUNNING_LEAVES, NEXT_LEAVES], 3))
)
def test_no_order_of_ends_and_handovers_leaks_a_slot(order: tuple[Event, ...], switches: tuple[int, ...]) -> None:
    """A client may leave while it waits, in the moment it is handed a slot, or just after: all slots come back."""
    worker = Worker(Limit(1, 9))
    entrants = [Entrant(worker) for _ in range(4)]
    for (_, act, number), count in zip(order, switches, strict=True):
        act(entrants[number])
        for _ in range(count):
            gevent.sleep(0)
    settle()
    assert worker.slots.running == 1 or all(entrant.greenlet.dead for entrant in entrants)
    for _ in entrants:  # Whoever runs ends, until nobody is left.
        for entrant in entrants:
            if entrant.ran:
                entrant.leave()
        settle()
    gevent.joinall([entrant.greenlet for entrant in entrants], timeout=PATIENCE_SECONDS)
    assert all(entrant.greenlet.dead for entrant in entrants)
    assert (worker.slots.running, worker.slots.waiting) == (0, 0)
    assert entrants[3].ran
