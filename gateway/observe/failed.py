"""The newest failures of one worker with their reasons, as values that can be told: parts of their records.

A ring for each side, so that clients that are refused by the thousand cannot hide what an upstream did. Clients that
left and streams that an operator ended are no failures here.
"""

from collections import deque
from typing import NamedTuple

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CANCELLED, CLIENT_GONE, Side
from gateway.observe.record import Record

KEPT = 100
"""Failures of each side."""
MOST_DETAIL_CHARACTERS = 300
_MOST_TARGET_CHARACTERS = 200


class Failed(NamedTuple):
    """One failed exchange, in the words of its log line."""

    time: float
    """Its end in seconds since 1970 (UTC)."""
    id: str
    route: str | None
    upstream: str | None
    endpoint: str | None
    method: str
    target: str
    status: int | None
    outcome: str
    failure: str
    side: str
    detail: str
    principal: str | None
    attempts: int
    total_ms: float | None


class Failures:
    """The rings."""

    def __init__(self) -> None:
        self._rings: dict[str, deque[Failed]] = {side.value: deque(maxlen=KEPT) for side in Side}

    def __repr__(self) -> str:
        return f"<Failures: {sum(map(len, self._rings.values()))}>"

    def wants(self, exchange: Exchange) -> bool:
        """Whether an ended exchange is to be noted."""
        return exchange.failure is not None and exchange.failure.kind not in (CLIENT_GONE, CANCELLED)

    def put(self, record: Record) -> None:
        """Note a wanted exchange by its record."""
        failed = failed_of(record)
        self._rings[failed.side].append(failed)

    def newest(self) -> list[Failed]:
        """Return them, the newest first."""
        return sorted((each for ring in self._rings.values() for each in ring), key=lambda each: -each.time)


def failed_of(record: Record) -> Failed:
    """Return what is told of an exchange that ended with a failure."""
    assert record.outcome is not None and record.failure is not None and record.side is not None
    return Failed(
        time=record.time,
        id=record.id,
        route=record.route,
        upstream=record.upstream,
        endpoint=record.endpoint,
        method=record.method,
        target=record.target[:_MOST_TARGET_CHARACTERS],
        status=record.status,
        outcome=record.outcome,
        failure=record.failure,
        side=record.side,
        detail=(record.detail or "")[:MOST_DETAIL_CHARACTERS],
        principal=record.principal,
        attempts=len(record.tries),
        total_ms=record.total_ms,
    )
