"""A kept-alive connection that the upstream closed just as it was used again is no failure of the upstream.

RFC 9112 section 9.3.1: a client may retry by itself on a new connection, if the request is idempotent and no part of
an answer came. It is done once: a second such end is the upstream's word. The transport takes a new connection for
every attempt after the first.
"""

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import HEAD_MISSING, SEND_FAILED
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


def hooks(route: Route) -> Hooks:
    """Try once more on a fresh connection; the same for every route."""

    def judge(exchange: Exchange, attempt: Attempt) -> Verdict:
        request = exchange.request
        if request.has_body or request.method not in IDEMPOTENT or not went_stale(attempt):
            return Verdict.TAKE
        if any(went_stale(earlier) for earlier in exchange.attempts if earlier is not attempt):
            return Verdict.TAKE
        attempt.counted = False
        return Verdict.RETRY

    return Hooks(judge=judge)
