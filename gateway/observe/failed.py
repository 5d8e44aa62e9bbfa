"""The newest failures of one worker with their reasons, as values that can be told.

A ring for each side, so that clients that are refused by the thousand cannot hide what an upstream did. Clients that
left and streams that an operator ended are no failures here.
"""

from collections import deque
from typing import NamedTuple

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CANCELLED, CLIENT_GONE, Side
from gateway.observe.masking import without_secrets

KEPT = 100
"""Failures of each side."""
MOST_DETAIL_CHARACTERS = 300
_MOST_TARGET_CHARACTERS = 200
_MOST_METHOD_CHARACTERS = 64


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
        self._rings: dict[Side, deque[Failed]] = {side: deque(maxlen=KEPT) for side in Side}

    def __repr__(self) -> str:
        return f"<Failures: {sum(map(len, self._rings.values()))}>"

    def finish(self, exchange: Exchange, wall_clock: float) -> None:
        """Note an ended exchange if it failed; ``wall_clock`` is its end in seconds since 1970 (UTC)."""
        failure = exchange.failure
        if failure is not None and failure.kind not in (CLIENT_GONE, CANCELLED):
            self._rings[failure.kind.side].append(failed(exchange, wall_clock))

    def newest(self) -> list[Failed]:
        """Return them, the newest first."""
        return sorted((each for ring in self._rings.values() for each in ring), key=lambda each: -each.time)


def failed(exchange: Exchange, wall_clock: float) -> Failed:
    """Return what is told of an exchange that ended with a failure."""
    failure, route = exchange.failure, exchange.route
    assert failure is not None and exchange.outcome is not None
    seconds = None if exchange.finished_at is None else exchange.finished_at - exchange.started
    return Failed(
        time=wall_clock,
        id=exchange.id,
        route=route.name if route is not None else None,
        upstream=route.upstream.name if route is not None else None,
        endpoint=str(exchange.attempts[-1].endpoint) if exchange.attempts else None,
        method=exchange.request.method[:_MOST_METHOD_CHARACTERS],
        target=without_secrets(exchange.request.target)[:_MOST_TARGET_CHARACTERS],
        status=exchange.status,
        outcome=exchange.outcome.value,
        failure=failure.kind.code,
        side=failure.kind.side.value,
        detail=failure.detail[:MOST_DETAIL_CHARACTERS],
        principal=exchange.identity.principal if exchange.identity is not None else None,
        attempts=len(exchange.attempts),
        total_ms=None if seconds is None else round(seconds * 1000, 1),
    )
