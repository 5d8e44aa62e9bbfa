"""The slots of one limit, held as leases by id, and the queue in front of them. Pure; ``now`` is given.

A lease is an entry in a table, not a number counted up and down: giving it back twice, or giving back what was never
had, changes nothing, so that no order of events can lose a slot or make one. A slot that is given back goes to who is
next in the same step; there is no moment in which it belongs to nobody while somebody waits.
"""

import itertools
import sys
from collections.abc import Callable
from enum import Enum

from gateway.exchange.failure import QUEUE_FULL, QUEUE_TIMEOUT, Failure, FailureError
from gateway.exchange.route import Limit
from gateway.policy.adaptive_limit import AdaptiveLimit
from gateway.policy.fair_queue import FairQueue, Principal
from gateway.policy.release_pace import ReleasePace


class State(Enum):
    """What a ticket stands for."""

    WAITING = "waiting"
    RUNNING = "running"
    GONE = "gone"


class Ticket:
    """One exchange at one limit: first a place in its queue, perhaps, then a lease. It is a ``Place``."""

    __slots__ = ("_slots", "_wake", "id", "lost", "state")

    def __init__(self, slots: "Slots", number: int) -> None:
        self.id = number
        self.state = State.WAITING
        self.lost: Failure | None = None
        """Why the place was taken away, if it was."""
        self._slots = slots
        self._wake: Callable[[], object] | None = None

    def __repr__(self) -> str:
        return f"<Ticket {self.id} {self.state.value}>"

    @property
    def waiting(self) -> bool:
        """Whether its turn is still to come."""
        return self.state is State.WAITING

    def on_change(self, wake: Callable[[], object]) -> None:
        """Have ``wake`` called when its turn comes, or its place is lost."""
        self._wake = wake

    def late(self, now: float) -> Failure:
        """Return the failure of an exchange that waited too long here."""
        return self._slots.failure_when_late(now)

    def become(self, state: State, lost: Failure | None = None) -> None:
        """Change what it stands for, and tell who waits at it."""
        self.state, self.lost = state, lost
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()


class Slots:
    """One limit's leases and queue. ``called`` is how failures name it: ``upstream search``."""

    def __init__(self, limit: Limit, called: str) -> None:
        self.called = called
        self.limit = limit
        self.adaptive = AdaptiveLimit(*limit.adaptive) if limit.adaptive is not None else None
        self._leases: dict[int, float] = {}
        self._queue: FairQueue[Ticket] = FairQueue(limit.max_queued)
        self._pace = ReleasePace()
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"<Slots of {self.called}: {self.running}/{self.allowed} running, {self.waiting} waiting>"

    @property
    def running(self) -> int:
        """How many leases are held."""
        return len(self._leases)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    @property
    def allowed(self) -> int:
        """How many leases may be held at the moment."""
        return self.limit.max_concurrent if self.adaptive is None else self.adaptive.allowed

    def ask(self, priority: str, principal: Principal, now: float) -> Ticket:
        """Return a ticket with a lease, or with a place in the queue. Raises ``FailureError``: QUEUE_FULL."""
        ticket = Ticket(self, next(self._numbers))
        if not self._queue and self.running < self.allowed:
            self._lease(ticket, now)
            return ticket
        if self._queue.full:
            displaced = self._queue.make_room(priority, principal)
            if displaced is None:
                raise FailureError(self._failure_when_full(now))
            displaced.become(State.GONE, self._failure_when_full(now))
        self._queue.push(ticket.id, priority, principal, ticket)
        return ticket

    def leave(self, ticket: Ticket, now: float) -> None:
        """Give back what the ticket stands for, lease or place; a second call does nothing."""
        if self._leases.pop(ticket.id, None) is not None:
            self._pace.released(now)
        self._queue.discard(ticket.id)
        ticket.become(State.GONE)
        self.hand_over(now)

    def hand_over(self, now: float) -> None:
        """Give every slot that is free to who is next."""
        while self._queue and self.running < self.allowed:
            self._lease(self._queue.pop(), now)
        self._pace.note(self.running >= self.allowed, now)

    def adopt(self, limit: Limit, now: float) -> None:
        """Go on with other settings: leases and places stay, also above a bound that has become lower."""
        if limit.adaptive != self.limit.adaptive:
            self.adaptive = AdaptiveLimit(*limit.adaptive) if limit.adaptive is not None else None
        self.limit = limit
        self._queue.bound = limit.max_queued
        self.hand_over(now)

    def lift(self, now: float) -> None:
        """There is no limit any more: everybody who waits has a turn, and so has who comes late to ask for one."""
        self.adopt(Limit(sys.maxsize, 0), now)

    def failure_when_late(self, now: float) -> Failure:
        """Return the failure of who waited too long."""
        return Failure(QUEUE_TIMEOUT, f"{self.called}: no slot became free in time", self._retry_after(now))

    def _failure_when_full(self, now: float) -> Failure:
        detail = f"{self.called}: {self.allowed} run and {self.waiting} wait"
        return Failure(QUEUE_FULL, detail, self._retry_after(now))

    def _retry_after(self, now: float) -> tuple[tuple[str, str], ...]:
        return (("Retry-After", str(self._pace.seconds_until(self.waiting + 1, now))),)

    def _lease(self, ticket: Ticket, now: float) -> None:
        self._leases[ticket.id] = now
        self._pace.note(self.running >= self.allowed, now)
        ticket.become(State.RUNNING)
