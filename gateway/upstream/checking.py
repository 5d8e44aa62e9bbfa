"""One health check: a request of the gateway's own, on a connection of its own, by the same way as everybody's."""

from gateway.exchange.failure import FailureError
from gateway.exchange.message import Fields
from gateway.exchange.target import Endpoint
from gateway.upstream.opening import Opener
from gateway.upstream.own_questions import answer_to

_FIELDS: Fields = [("User-Agent", "slowgate-health-check"), ("Accept", "*/*")]


def fault(opener: Opener, endpoint: Endpoint, path: str, statuses: tuple[tuple[int, int], ...]) -> str | None:
    """Ask ``endpoint`` for ``path``; return what is wrong with it, or None for an answer with one of ``statuses``.

    The connection is a new one, for whoever answers on an old one need not take new ones. What an interrupter throws
    into the wait passes.
    """
    try:
        reply = answer_to(opener, "health-check", endpoint, path, _FIELDS)
    except FailureError as error:
        return str(error.failure)
    reply.chunks.close()
    status = reply.head.status
    return None if any(first <= status <= last for first, last in statuses) else f"status {status}"
