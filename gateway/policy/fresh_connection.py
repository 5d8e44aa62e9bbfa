"""A kept-alive connection that the upstream closed just as it was used again is no failure of the upstream.

RFC 9112 section 9.3.1: a client may retry by itself on a new connection, if the request is idempotent and no part of
an answer came. It is done once: a second such end is the upstream's word. So the attempt that repairs one takes a new
connection; another further attempt may take a kept one only where its going stale would still be repaired.
"""

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import HEAD_MISSING, SEND_FAILED
from gateway.exchange.message import RequestHead
from gateway.exchange.route import Route
from gateway.policy.hooks import Hooks, Verdict

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH", "QUERY"})
"""Methods that may be sent twice (RFC 9110 section 9.2.2 and the IANA method registry, the common ones)."""

ACTS_ON: tuple[str, ...] = ()
"""It is not configured."""


def went_stale(attempt: Attempt) -> bool:
    """Say whether ``attempt`` ended as one does on a connection that was being closed when it was taken."""
    failure = attempt.failure
    return (
        failure is not None and failure.kind in (HEAD_MISSING, SEND_FAILED) and attempt.reused and not attempt.answered
    )


def repairable(request: RequestHead) -> bool:
    """Say whether a request may be sent again by itself when it met a stale connection."""
    return not request.has_body and request.method in IDEMPOTENT


def needs_fresh(exchange: Exchange, attempt: Attempt) -> bool:
    """Say whether ``attempt`` must have a new connection, for a kept one could cost the client its answer.

    So it is for each further attempt of a request that is not `repairable`, behind one that went stale, and at an
    endpoint at which the exchange has failed already: what happened to one connection may have happened to all.
    """
    earlier = [each for each in exchange.attempts if each is not attempt]
    if not earlier:
        return False
    return not repairable(exchange.request) or any(
        went_stale(each) or (each.failure is not None and each.endpoint == attempt.endpoint) for each in earlier
    )


def hooks(route: Route) -> Hooks:
    """Try once more on a fresh connection; the same for every route."""

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        attempt.fresh = needs_fresh(exchange, attempt)

    def judge(exchange: Exchange, attempt: Attempt) -> Verdict:
        if not repairable(exchange.request) or not went_stale(attempt):
            return Verdict.TAKE
        if any(went_stale(earlier) for earlier in exchange.attempts if earlier is not attempt):
            return Verdict.TAKE
        attempt.counted = False
        return Verdict.RETRY

    return Hooks(prepare=prepare, judge=judge)
