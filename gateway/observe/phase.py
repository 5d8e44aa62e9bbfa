"""How far an exchange is, as metrics tell it."""

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import Side

PHASES = ("waiting", "sending", "awaiting", "peeking", "retrying", "relaying")


def phase(exchange: Exchange) -> str:
    """Return how far an exchange is, or was when it ended.

    ``waiting`` for its turn or before any attempt; ``sending``: connecting and sending the request; ``awaiting`` the
    head of the answer, which may be one that the client got early; ``peeking``: it is there and held back;
    ``retrying``: before the next attempt; ``relaying``: the head went out.
    """
    if exchange.committed_at is not None and (not exchange.early or exchange.head_at is not None):
        return "relaying"
    if not exchange.attempts:
        return "waiting"
    attempt = exchange.attempts[-1]
    if attempt.ended is None:
        if attempt.status is not None:
            return "peeking"
    elif exchange.head_at is None and (attempt.failure is None or attempt.failure.kind.side is Side.UPSTREAM):
        return "retrying"  # What ended otherwise did so together with its exchange, which was as far as the attempt.
    return "sending" if attempt.sent_at is None else "awaiting"
