"""How far an exchange is, or got, in one word. Pure: read from its fields alone."""

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CLIENT_GONE, CLIENT_STALLED, Side

PHASES = (
    "accept", "admit", "queue", "credential", "connect", "send", "await", "peek", "retry", "relay", "drain",
)  # fmt: skip


def phase(exchange: Exchange) -> str:
    """Return how far a running exchange is.

    ``accept``: it has no route yet; ``admit``: who asks and what they have left is found out; ``queue``: it waits for a
    slot; ``credential``: one is fetched for the attempt; ``connect``; ``send``: the request goes up; ``await`` the
    answer's head; ``peek``: the head is held back; ``retry``: another attempt is to follow; ``relay``: the answer, or
    our own, goes down; ``drain``: it is read on without its client.

    With a head that went out early it is as far as its attempt; of two that race, as far as the later one.
    """
    failure = exchange.failure
    if failure is not None:
        return "drain" if failure.kind in (CLIENT_GONE, CLIENT_STALLED) else "relay"
    return _reached(exchange)


def phase_reached(exchange: Exchange) -> str:
    """Return how far an exchange got, whatever its failure: of one that has ended, where it was when that came.

    The words are those of `phase` but for ``drain``, which comes behind a failure. One that was read on without its
    client counts as ``await`` where no head had gone out when the client left.
    """
    last = exchange.attempts[-1] if exchange.attempts else None
    if last is not None and last.failure is not None and last.failure.kind.side is not Side.UPSTREAM:
        return _of_attempt(last)  # It ended together with its exchange, which was as far.
    reached = _reached(exchange)
    if reached == "admit" and exchange.queued_seconds is not None:
        return "queue"  # Left with its exchange: a turn is followed by an attempt at once.
    return "await" if reached == "relay" and exchange.committed_at is None else reached


def _reached(exchange: Exchange) -> str:
    if exchange.queued_at is not None:
        return "queue"
    if exchange.attempts and exchange.attempts[-1].ended is None:
        return _of_attempt(exchange.attempts[-1])
    if exchange.committed_at is not None and not (exchange.early and exchange.head_at is None):
        return "relay"
    if exchange.attempts:
        return "retry" if exchange.head_at is None else "relay"
    return "accept" if exchange.route is None else "admit"


def _of_attempt(attempt: Attempt) -> str:
    if attempt.status is not None:
        return "peek"
    if attempt.credential is not None and attempt.injected is None:
        return "credential"
    if attempt.connecting:
        return "connect"
    return "send" if attempt.sent_at is None else "await"
