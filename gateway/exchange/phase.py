"""How far a running exchange is, in one word. Pure: read from its fields alone."""

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CLIENT_GONE, CLIENT_STALLED

PHASES = (
    "accept", "admit", "queue", "credential", "connect", "send", "await", "peek", "retry", "relay", "drain",
)  # fmt: skip


def phase(exchange: Exchange) -> str:
    """Return how far ``exchange`` is.

    ``accept``: it has no route yet; ``admit``: who asks and what they have left is found out; ``queue``: it waits for a
    slot; ``credential``: one is fetched for the attempt; ``connect``; ``send``: the request goes up; ``await`` the
    answer's head; ``peek``: the head is held back; ``retry``: another attempt is to follow; ``relay``: the answer, or
    our own, goes down; ``drain``: it is read on without its client.

    With a head that went out early it is as far as its attempt; of two that race, as far as the later one.
    """
    failure = exchange.failure
    if failure is not None:
        return "drain" if failure.kind in (CLIENT_GONE, CLIENT_STALLED) else "relay"
    if exchange.queued_at is not None:
        return "queue"
    if exchange.attempts and exchange.attempts[-1].ended is None:
        return _of_attempt(exchange)
    if exchange.committed_at is not None and not (exchange.early and exchange.head_at is None):
        return "relay"
    if exchange.attempts:
        return "retry" if exchange.head_at is None else "relay"
    return "accept" if exchange.route is None else "admit"


def _of_attempt(exchange: Exchange) -> str:
    attempt = exchange.attempts[-1]
    if attempt.status is not None:
        return "peek"
    if attempt.credential is not None and attempt.injected is None:
        return "credential"
    if attempt.connecting:
        return "connect"
    return "send" if attempt.sent_at is None else "await"
