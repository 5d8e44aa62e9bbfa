"""The sender of one worker: takes ended exchanges without waiting, and brings their spans to the receiver in batches.

While the receiver is away exchanges are kept, up to the bound of the queue; then the oldest are dropped and counted.
"""

import logging
import time
from collections.abc import Callable
from typing import Protocol

import gevent
from gevent.event import Event

from gateway.exchange.failure import FailureError
from gateway.exchange.trace import Tracing
from gateway.store.backlog import Backlog
from gateway.tracing.ended import Ended
from gateway.tracing.otlp import Batch, refused_spans

BATCH = 256
"""Exchanges of one message."""
_SLICE = 4
"""Exchanges whose spans are made at once: all streams of the worker wait for as long."""
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_TELL_SECONDS = 60.0
"""How often losses are logged, at most."""
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


class _Away(Exception):
    """The receiver cannot be reached, or asks for patience."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Sender:
    """Sends what it is given. Nothing of it waits for the receiver but its own greenlet."""

    def __init__(self, tracing: Tracing, post: Callable[[bytes], Answer]) -> None:
        """``post`` brings one message to the receiver; raises ``FailureError`` where there is no answer."""
        self._tracing = tracing
        self._post = post
        self._backlog: Backlog[Ended] = Backlog(tracing.queue)
        self._wake = Event()
        self._closing = False
        self._pause = 0.0
        self._told_at, self._told_lost = float("-inf"), 0
        self.sent = 0
        """Exchanges whose spans were taken."""
        self.refused = 0
        """Exchanges whose message the receiver would never take."""
        self.failures = 0
        """How often the receiver could not be used."""
        self.error: str | None = None
        """Why it cannot be used now; None where it can."""
        self._last_refusal = ""
        self._greenlet = gevent.spawn(self._run)

    @property
    def waiting(self) -> int:
        """Exchanges that are not sent yet."""
        return len(self._backlog)

    @property
    def dropped(self) -> int:
        """Exchanges that were lost because too many waited."""
        return self._backlog.dropped

    def put(self, ended: Ended) -> None:
        """Take an exchange. Never waits, never fails."""
        self._backlog.put(ended)
        if len(self._backlog) >= BATCH and not self._pause:
            self._wake.set()

    def close(self, seconds: float) -> int:
        """Send what waits, for at most ``seconds``; return how many exchanges are lost for good."""
        self._closing = True
        self._wake.set()
        self._greenlet.join(seconds)
        lost = len(self._backlog)
        if lost:
            _log.error("the spans of %d exchanges were not sent: %s", lost, self.error or "no time was left")
        self._greenlet.kill(block=False)
        return lost

    def _run(self) -> None:
        while not (self._closing and not self._backlog):
            if not self._closing:
                self._wake.wait(self._pause or self._tracing.flush_seconds)
                self._wake.clear()
            elif self._pause:
                gevent.sleep(_FIRST_PAUSE_SECONDS)
            try:
                while self._backlog:
                    self._send_some()
                    self._recovered()
            except _Away as away:
                self._failed(str(away), away.seconds)
            except Exception as error:
                _log.exception("the sender of spans met a defect")
                self._failed(type(error).__name__, None)
            self._tell_losses()

    def _send_some(self) -> None:
        batch = self._backlog.take(BATCH)
        try:
            answer = self._answer(self._message(batch))
            if answer.status in _TRY_AGAIN:
                raise _Away(f"status {answer.status}", _patience(answer.retry_after))
        except BaseException:
            self._backlog.give_back()
            raise
        self._backlog.written()
        if not 200 <= answer.status < 300:
            self.refused += len(batch)
            self._last_refusal = f"status {answer.status}"
            return
        spans, why = refused_spans(answer.body)
        if spans:
            self._last_refusal = f"it did not take {spans} spans ({why!r})"
            self.refused += 1
        self.sent += len(batch)

    def _message(self, batch: list[Ended]) -> bytes:
        message = Batch(self._tracing.resource)
        for at in range(0, len(batch), _SLICE):
            message.add(batch[at : at + _SLICE])
            gevent.sleep(0)
        return message.octets()

    def _answer(self, message: bytes) -> Answer:
        seconds = self._tracing.place.timeout_seconds
        timeout = gevent.Timeout(seconds)
        timeout.start()
        try:
            return self._post(message)
        except FailureError as error:
            raise _Away(str(error.failure)) from None
        except gevent.Timeout as error:
            if error is not timeout:
                raise
            raise _Away(f"no answer within {seconds:g} s") from None
        finally:
            timeout.close()

    def _failed(self, why: str, seconds: float | None) -> None:
        self.failures += 1
        if self.error is None:
            _log.error("spans cannot be sent to %s, they wait: %s", self._tracing.place.endpoint, why)
        self.error = why
        self._pause = seconds or min(max(2 * self._pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)

    def _recovered(self) -> None:
        if self.error is not None:
            _log.warning("spans can be sent again")
        self.error, self._pause = None, 0.0

    def _tell_losses(self) -> None:
        lost = self.dropped + self.refused
        if lost > self._told_lost and time.monotonic() >= self._told_at + _TELL_SECONDS:
            message = "spans are lost: of %d exchanges because too many waited, of %d refused by the receiver%s"
            refusal = f" ({self._last_refusal})" if self._last_refusal else ""
            _log.error(message, self.dropped, self.refused, refusal)
            self._told_at, self._told_lost = time.monotonic(), lost


def _patience(retry_after: str | None) -> float | None:
    """Return how many seconds a receiver asks us to wait; None where it does not say it in seconds."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdecimal() or len(retry_after) > 6:
        return None
    return min(max(float(retry_after), _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
