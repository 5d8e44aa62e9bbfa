"""One health check: a request of the gateway's own, on a connection of its own, by the same way as everybody's."""

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import FailureError
from gateway.exchange.message import Fields, ReplyHead, RequestHead
from gateway.exchange.target import Endpoint
from gateway.upstream.opening import Opener

_FIELDS: Fields = [("User-Agent", "slowgate-health-check"), ("Accept", "*/*")]


class Unwatched:
    """A `Watch` that arms nothing: whoever asks has a deadline for the whole of it."""

    def connecting(self) -> None:
        """Say nothing."""

    def connected(self) -> None:
        """Say nothing."""

    def sent(self) -> None:
        """Say nothing."""

    def answered(self) -> None:
        """Say nothing."""

    def informational(self, head: ReplyHead) -> None:
        """Say nothing."""


def fault(opener: Opener, endpoint: Endpoint, path: str, statuses: tuple[tuple[int, int], ...]) -> str | None:
    """Ask ``endpoint`` for ``path``; return what is wrong with it, or None for an answer with one of ``statuses``.

    The connection is a new one, for whoever answers on an old one need not take new ones. What an interrupter throws
    into the wait passes.
    """
    head = RequestHead("GET", path, (1, 1), [], endpoint.scheme, endpoint.authority, "", 0, 0)
    fields = [("Host", endpoint.authority), *_FIELDS]
    attempt = Attempt(endpoint, path, fields, fresh=True)
    try:
        reply = opener.open(Exchange("health-check", head, 0.0), attempt, Unwatched())
    except FailureError as error:
        return str(error.failure)
    reply.chunks.close()
    status = reply.head.status
    return None if any(first <= status <= last for first, last in statuses) else f"status {status}"
