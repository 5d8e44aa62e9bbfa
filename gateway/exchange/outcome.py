"""How an exchange ended. Every exchange has exactly one outcome, recorded once."""

from enum import Enum

from gateway.exchange.failure import (
    CANCELLED,
    CLIENT_GONE,
    CLIENT_STALLED,
    DRAINED,
    FIRST_FRAME_TIMEOUT,
    IDLE_TIMEOUT,
    INTERNAL,
    RATE_TIMEOUT,
    SEND_TIMEOUT,
    TOTAL_TIMEOUT,
    UPLOAD_CUT,
    UPLOAD_RATE_TIMEOUT,
    UPLOAD_TIMEOUT,
    Failure,
    Side,
)


class Outcome(Enum):
    """The ends an exchange can come to."""

    COMPLETE = "complete"
    """The upstream's reply was relayed to its last octet."""
    LOCAL = "local"
    """The gateway answered by itself, as configured."""
    REJECTED = "rejected"
    """The request was refused with a local reply; no upstream was asked, or its answer no longer mattered."""
    FAILED = "failed"
    """No reply could be obtained from the upstream; the client got an error reply, or a cut below an early head."""
    TRUNCATED = "truncated"
    """The upstream's body broke after the head went out; the client saw an aborted message."""
    TIMED_OUT = "timed_out"
    """A timeout ended the stream after the head went out."""
    CLIENT_GONE = "client_gone"
    """The client left, in whatever phase."""
    CLIENT_STALLED = "client_stalled"
    """The client stopped reading and was cut off."""
    DRAINED = "drained"
    """Shutdown ended the stream when `drain_timeout` was over."""
    CANCELLED = "cancelled"
    """An operator ended it."""
    BROKEN = "broken"
    """A defect of the gateway ended it."""


_ANY_TIME = {
    CLIENT_GONE: Outcome.CLIENT_GONE,
    UPLOAD_CUT: Outcome.CLIENT_GONE,
    CLIENT_STALLED: Outcome.CLIENT_STALLED,
    DRAINED: Outcome.DRAINED,
    CANCELLED: Outcome.CANCELLED,
    TOTAL_TIMEOUT: Outcome.TIMED_OUT,
    INTERNAL: Outcome.BROKEN,
}
_AFTER_COMMIT = {
    FIRST_FRAME_TIMEOUT: Outcome.TIMED_OUT,
    IDLE_TIMEOUT: Outcome.TIMED_OUT,
    SEND_TIMEOUT: Outcome.TIMED_OUT,
    UPLOAD_TIMEOUT: Outcome.TIMED_OUT,
    RATE_TIMEOUT: Outcome.TIMED_OUT,
    UPLOAD_RATE_TIMEOUT: Outcome.TIMED_OUT,
}


def judge(failure: Failure | None, *, committed: bool, local: bool) -> Outcome:
    """Return the outcome of an exchange.

    ``committed`` says whether the upstream's head had gone out when ``failure`` happened; ``local`` whether the reply
    was the gateway's own.
    """
    if failure is None:
        return Outcome.LOCAL if local else Outcome.COMPLETE
    if failure.kind in _ANY_TIME:
        return _ANY_TIME[failure.kind]
    if committed and failure.kind in _AFTER_COMMIT:
        return _AFTER_COMMIT[failure.kind]
    if failure.kind.side is not Side.UPSTREAM:
        return Outcome.REJECTED
    return Outcome.TRUNCATED if committed else Outcome.FAILED
