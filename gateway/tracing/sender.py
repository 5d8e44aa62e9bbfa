"""The sender of one worker: takes ended exchanges without waiting, and brings their spans to a receiver in batches."""

import logging
from collections.abc import Callable
from typing import Protocol

import gevent

from gateway.delivery.courier import Away, Courier, Wording
from gateway.exchange.failure import FailureError
from gateway.exchange.trace import Tracing
from gateway.relay.within import within
from gateway.tracing.ended import Ended
from gateway.tracing.otlp import Batch, refused_spans

BATCH = 256
"""Exchanges of one message."""
_SLICE = 4
"""Exchanges whose spans are made at once: all streams of the worker wait for as long."""
_TRY_AGAIN = frozenset({429, 502, 503, 504})
"""What a receiver says that may take the same message later (OTLP 1.x, "Failures")."""

_log = logging.getLogger("gateway.tracing")


class Answer(Protocol):
    """What a receiver said."""

    @property
    def status(self) -> int: ...
    @property
    def retry_after(self) -> str | None: ...
    @property
    def body(self) -> bytes: ...


class Sender(Courier[Ended]):
    """Sends what it is given. Nothing of it waits for the receiver but its own greenlet."""

    longest_pause_seconds = 30.0

    def __init__(self, tracing: Tracing, post: Callable[[bytes], Answer]) -> None:
        """``post`` brings one message to the receiver; raises ``FailureError`` where there is no answer."""
        self._tracing = tracing
        self._post = post
        wording = Wording(
            _log,
            away=f"spans cannot be sent to {tracing.place.endpoint}, they wait",
            back="spans can be sent again",
            undelivered="the spans of %d exchanges were not sent",
            lost="spans are lost: of %d exchanges because too many waited, of %d refused by the receiver",
        )
        super().__init__(wording, queue=tracing.queue, batch=BATCH, flush_seconds=tracing.flush_seconds)

    def put(self, ended: Ended) -> None:
        """Take an exchange. Never waits, never fails."""
        self._take_in(ended)

    def _bring(self, batch: list[Ended]) -> int:
        answer = self._answer(self._message(batch))
        if answer.status in _TRY_AGAIN:
            raise Away(f"status {answer.status}", self._patience(answer.retry_after))
        if not 200 <= answer.status < 300:
            self.last_refusal = f"status {answer.status}"
            return len(batch)
        spans, why = refused_spans(answer.body)
        if spans:
            self.last_refusal = f"it did not take {spans} spans ({why!r})"
        return 1 if spans else 0

    def _message(self, batch: list[Ended]) -> bytes:
        message = Batch(self._tracing.resource)
        for at in range(0, len(batch), _SLICE):
            message.add(batch[at : at + _SLICE])
            gevent.sleep(0)
        return message.octets()

    def _answer(self, message: bytes) -> Answer:
        try:
            with within(self._tracing.place.timeout_seconds):
                return self._post(message)
        except FailureError as error:
            raise Away(str(error.failure)) from None
        except TimeoutError as error:
            raise Away(str(error)) from None

    def _patience(self, retry_after: str | None) -> float | None:
        """Return how many seconds the receiver asks us to wait; None where it does not say it in seconds."""
        if retry_after is None or not retry_after.isascii() or not retry_after.isdecimal() or len(retry_after) > 6:
            return None
        return min(max(float(retry_after), self.first_pause_seconds), self.longest_pause_seconds)
