"""The exchanges that run in one worker, as its operators see them, and how one of them is ended."""

from typing import Protocol

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CANCELLED, Failure
from gateway.observe.masking import without_secrets

MOST_LISTED = 1000


class Running(Protocol):
    """The exchanges of a worker."""

    def __len__(self) -> int: ...

    def exchanges(self) -> list[Exchange]:
        """Return those that run, in the order in which they began."""

    def interrupt(self, exchange_id: str, failure: Failure) -> int:
        """End the exchanges with this id for ``failure``; return how many there were."""


def listed(running: Running, now: float) -> dict[str, object]:
    """Return the oldest exchanges, at most ``MOST_LISTED``, and how many there are in all."""
    oldest = running.exchanges()[:MOST_LISTED]
    return {"total": len(running), "streams": [described(each, now) for each in oldest]}


def described(exchange: Exchange, now: float) -> dict[str, object]:
    """Return one running exchange. As in its log line, values of its query are masked, and no field of it is told."""
    route, request = exchange.route, exchange.request
    return {
        "id": exchange.id,
        "age_seconds": round(now - exchange.started, 3),
        "phase": phase(exchange),
        "route": route.name if route is not None else None,
        "upstream": route.upstream.name if route is not None else None,
        "endpoint": str(exchange.attempts[-1].endpoint) if exchange.attempts else None,
        "method": request.method[:64],
        "target": without_secrets(request.target),
        "status": exchange.status,
        "principal": exchange.identity.principal if exchange.identity is not None else None,
        "peer": request.peer,
        "attempts": len(exchange.attempts),
        "bytes_down": exchange.relayed_bytes,
        "bytes_up": exchange.received_bytes,
    }


def phase(exchange: Exchange) -> str:
    """Return how far it is: ``waiting`` for its turn, ``opening`` at the upstream, or ``relaying``."""
    if exchange.committed_at is not None:
        return "relaying"
    return "opening" if exchange.attempts else "waiting"


def cancel(running: Running, exchange_id: str) -> int:
    """End the exchanges with this id so that they look cut; return how many there were."""
    return running.interrupt(exchange_id, Failure(CANCELLED, "an operator ended it"))
