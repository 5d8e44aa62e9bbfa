"""The tracer of one worker: what the rest of the gateway knows of it."""

from collections.abc import Callable

import gevent

from gateway.exchange.exchange import Exchange
from gateway.exchange.trace import Tracing
from gateway.observe.record import Record
from gateway.tracing.ended import ended
from gateway.tracing.sender import Answer, Sender

_LAST_CALL_SECONDS = 10.0


class Tracer:
    """Takes ended exchanges and exports the spans of those that are sampled."""

    def __init__(self, tracing: Tracing, post: Callable[[bytes], Answer], hang_up: Callable[[], object]) -> None:
        """See `Sender`; ``hang_up`` gives the receiver's connection back."""
        self.tracing = tracing
        self._sender = Sender(tracing, post)
        self._hang_up = hang_up

    def put(self, exchange: Exchange, record: Record) -> None:
        """Have the spans of an ended exchange exported, where it is sampled. Never waits."""
        trace = exchange.trace
        if trace is not None and trace.sampled:
            self._sender.put(ended(exchange, record, trace))

    def snapshot(self) -> dict[str, object]:
        """Return how it stands, for people."""
        sender = self._sender
        return {
            "receiver": str(self.tracing.place.endpoint),
            "waiting": sender.waiting,
            "queue": self.tracing.queue,
            "sent": sender.delivered,
            "dropped": sender.dropped,
            "refused": sender.refused,
            "failures": sender.failures,
            "error": sender.error,
        }

    def close(self, seconds: float) -> int:
        """Send what waits, for at most ``seconds``; return of how many exchanges the spans are lost."""
        try:
            return self._sender.close(seconds)
        finally:
            self._hang_up()

    def retire(self) -> None:
        """Close it beside what goes on: another one has taken its place."""
        gevent.spawn(self.close, _LAST_CALL_SECONDS)
