"""What is kept of an ended exchange until its spans are made: little, and nothing of the exchange itself."""

from typing import NamedTuple

from gateway.exchange.exchange import Exchange
from gateway.exchange.trace import Trace
from gateway.observe.record import Record

_MOST_AUTHORITY_CHARACTERS = 255


class Asked(NamedTuple):
    """What one attempt asked. Not its path: the endpoint's base and what a route makes of a path may hold a key."""

    span_id: str
    host: str
    """Name or address of the endpoint; the path of a unix socket."""
    port: int
    """0 for a unix socket."""
    resends: int
    """How many attempts were begun before it."""


class Ended(NamedTuple):
    """An ended exchange."""

    record: Record
    trace: Trace
    asked: tuple[Asked, ...]
    """For each of the record's tries, in their order."""
    scheme: str
    authority: str
    version: tuple[int, int]
    stalls: tuple[tuple[float, float], ...]
    """When a stall was over and how long it was, in milliseconds."""


def ended(exchange: Exchange, record: Record, trace: Trace) -> Ended:
    """Return what is to be kept of an exchange."""
    request = exchange.request
    begun = sorted(attempt.started for attempt in exchange.attempts) if len(exchange.attempts) > 1 else [0.0]
    return Ended(
        record,
        trace,
        tuple(
            Asked(
                attempt.span_id or trace.span_id,
                attempt.endpoint.host,
                attempt.endpoint.port,
                begun.index(attempt.started) if len(begun) > 1 else 0,
            )
            for attempt in exchange.attempts
        ),
        request.scheme,
        request.authority[:_MOST_AUTHORITY_CHARACTERS],
        request.version,
        tuple(((at - exchange.started) * 1000, seconds * 1000) for at, seconds in exchange.stalled),
    )
