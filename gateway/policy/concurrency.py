"""How many exchanges may be under way at once, and who waits how for a slot.

A route and its upstream may both have a limit. An exchange then needs a slot of each; it takes the route's first and
the upstream's second, always, so that no two can wait for each other, and gives both back when it has ended. The live
state (leases, queues, what an adaptive limit has learnt) is one `Concurrency` for each worker, which a reload keeps.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CONNECT_TIMEOUT, FIRST_BYTE_TIMEOUT
from gateway.exchange.message import ReplyHead
from gateway.exchange.route import GatewayPlan, Limit, Route
from gateway.grammar.counts import CountOrOff, RangeOrOff
from gateway.grammar.tokens import is_token
from gateway.policy.adaptive_limit import AdaptiveLimit
from gateway.policy.fair_queue import Principal
from gateway.policy.hooks import Hooks
from gateway.policy.slots import Slots, Ticket

_BY_FIELD = "header:"
_BUSY = frozenset({429, 503})
_TOO_SLOW = frozenset({FIRST_BYTE_TIMEOUT, CONNECT_TIMEOUT})

ACTS_ON = (
    *("route.limits.max_concurrent", "route.limits.adaptive", "route.limits.max_queued"),
    *("upstream.limits.max_concurrent", "upstream.limits.adaptive", "upstream.limits.max_queued"),
    *("limits.priority", "limits.fair_by"),
)
"""The settings that decide what it does, as a route sees them."""


def _fair_by(text: str) -> str:
    if text != "peer" and not (text.startswith(_BY_FIELD) and is_token(text.removeprefix(_BY_FIELD))):
        suggestion = f"{_BY_FIELD}{text}" if is_token(text) else None
        raise Unacceptable('"peer", or "header:" and the name of a field', suggestion=suggestion)
    return text


FairBy = Annotated[str, AfterValidator(_fair_by), Kind('"peer" or "header:NAME"')]


class ConcurrencySettings(Model):
    """How many exchanges may be under way at once, and who waits how."""

    max_concurrent: CountOrOff = None
    """Exchanges that may be under way at once: on a route those of the route, on an upstream those of all its routes
    together, in `[defaults]` those of each upstream that says nothing. Both limits of an exchange hold. Number or
    "off". Default "off". A stream counts until its last octet. With several workers it holds for each."""
    adaptive: RangeOrOff = None
    """In the place of `max_concurrent`: a limit that finds itself, as { min = 2, max = 200 }, by how the time to the
    first byte grows with the load. Table or "off". Default "off". It begins with 20, and needs load to learn from."""
    max_queued: int = Field(default=100, ge=0, le=10_000)
    """Requests that may wait for their turn when the limit is reached; further ones get 503. Number. Default 100; 0 for
    none. Belongs to the limit in the same table."""
    priority: Literal["high", "normal", "low"] = "normal"
    """Class in which requests wait: all of a higher class go first, but for one turn in sixteen. "high", "normal" or
    "low". Default "normal"."""
    fair_by: FairBy = "peer"
    """Between whom turns are shared within a class: "peer" for client addresses (IPv6: the /64), "header:NAME" for the
    values of a field. Default "peer". Clients choose their fields: name one only if somebody you trust sets it."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings, but for its limit."""
        by_field = self.fair_by.startswith(_BY_FIELD)
        return {
            "priority": self.priority,
            "fair_by": self.fair_by.removeprefix(_BY_FIELD).lower() if by_field else "",
        }


def limit_of(table: ConcurrencySettings) -> Limit | None:
    """Return the limit that ``table`` sets; `adaptive` goes before `max_concurrent`."""
    if table.adaptive is not None:
        return Limit(table.adaptive.max, table.max_queued, (table.adaptive.min, table.adaptive.max))
    return None if table.max_concurrent is None else Limit(table.max_concurrent, table.max_queued)


def principal(exchange: Exchange, fair_by: str) -> Principal:
    """Return whose an exchange is: by the value of the field ``fair_by``, or by its peer where that is empty.

    Exchanges without the field are together those of one more principal. A peer with IPv6 is its /64, for it has all
    addresses in it.
    """
    if fair_by:
        value = exchange.request.first(fair_by)
        return ("", "") if value is None else (fair_by, value)
    peer = exchange.request.peer
    return ("peer", _network(peer) if ":" in peer else peer)


def _network(address: str) -> str:
    """Return the first 64 bits of an IPv6 address; as it is where it is none."""
    from ipaddress import IPv6Address

    try:
        return IPv6Address(address.partition("%")[0]).exploded[:19]
    except ValueError:
        return address


class Concurrency:
    """The limits of one worker with all that happens at them, by kind and name of what they limit."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slots: dict[tuple[str, str], Slots] = {}

    def adopt(self, plan: GatewayPlan) -> None:
        """Have the limits of ``plan`` from now on. One whose numbers change keeps its leases and its queue.

        Who waits at one that is gone waits no longer.
        """
        limits = {("upstream", name): upstream.limit for name, upstream in plan.upstreams.items()}
        limits |= {("route", route.name): route.limit for route in plan.routes}
        now, before, self._slots = self._clock(), self._slots, {}
        for key in before.keys() - {key for key, limit in limits.items() if limit is not None}:
            before[key].lift(now)
        for (kind, name), limit in limits.items():
            if limit is None:
                continue
            slots = before.get((kind, name))
            if slots is None:
                slots = Slots(limit, f"{kind} {name}")
            elif slots.limit != limit:
                slots.adopt(limit, now)
            self._slots[kind, name] = slots

    def of(self, kind: str, name: str) -> Slots | None:
        """Return the slots of the ``route`` or ``upstream`` called ``name``; None where it has no limit."""
        return self._slots.get((kind, name))

    def each(self) -> Iterator[tuple[str, str, Slots]]:
        """Yield all slots with kind and name of what they limit."""
        for (kind, name), slots in self._slots.items():
            yield kind, name, slots

    def hooks(self, route: Route) -> tuple[Hooks, ...]:
        """Return what takes a slot of each limit of ``route``, in the order that prevents deadlocks.

        A reload makes new hooks; those of exchanges that began before hold on to the same slots.
        """
        found = (self.of("route", route.name), self.of("upstream", route.upstream.name))
        return tuple(self._hooks(route, slots) for slots in found if slots is not None)

    def _hooks(self, route: Route, slots: Slots) -> Hooks:
        clock, priority, fair_by = self._clock, route.priority, route.fair_by

        def queue(exchange: Exchange) -> Ticket | None:
            ticket = slots.ask(priority, principal(exchange, fair_by), clock())
            exchange.at_finish(lambda: slots.leave(ticket, clock()))
            return ticket if ticket.waiting else None

        def commit(exchange: Exchange, head: ReplyHead) -> None:
            if exchange.early and exchange.committed_at is None:
                return  # Nothing has come yet that could be learnt from.
            if learn(slots, exchange):
                slots.hand_over(clock())

        return Hooks(queue=queue, commit=None if slots.adaptive is None else commit)


def learn(slots: Slots, exchange: Exchange) -> bool:
    """Tell an adaptive limit what the last attempt took to its first byte; say whether the limit may have changed.

    Failures that come quickly (a refused connection, an error status) say nothing about load and are left out. Earlier
    attempts count where the upstream pushed back: a retry that goes well must not hide that the first try did not.
    """
    if slots.adaptive is None or not exchange.attempts:
        return False
    changed = [_learn_of_retried(slots, slots.adaptive, attempt) for attempt in exchange.attempts[:-1]]
    return _learn_of_last(slots, slots.adaptive, exchange) or any(changed)


def _learn_of_retried(slots: Slots, adaptive: AdaptiveLimit, attempt: Attempt) -> bool:
    too_slow = attempt.failure is not None and attempt.failure.kind in _TOO_SLOW
    if _status(attempt) not in _BUSY and not too_slow:
        return False
    return adaptive.pushed_back(attempt.started, attempt.ended or attempt.started, slots.running)


def _learn_of_last(slots: Slots, adaptive: AdaptiveLimit, exchange: Exchange) -> bool:
    attempt, failure = exchange.attempts[-1], exchange.failure
    status = _status(attempt)
    if status in _BUSY:
        return adaptive.pushed_back(attempt.started, exchange.head_at or attempt.started, slots.running)
    if failure is not None and failure.kind in _TOO_SLOW:
        return adaptive.pushed_back(attempt.started, attempt.started, slots.running)
    if status is None or status >= 500 or attempt.sent_at is None or exchange.head_at is None:
        return False
    if attempt.failure is not None:
        return False  # Its head was held back, and what followed took its place.
    return adaptive.first_byte(attempt.sent_at, exchange.head_at, slots.running)


def _status(attempt: Attempt) -> int | None:
    """Return the status of an answer: the one that its error would have had, where it told one behind its head."""
    told = attempt.failure.told if attempt.failure is not None else None
    return told.status if told is not None else attempt.status
