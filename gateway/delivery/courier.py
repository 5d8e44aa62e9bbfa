"""A courier takes items without waiting, and brings them somewhere else in batches, by a greenlet of its own.

While the other side is away items are kept, up to the bound of the queue; then the oldest are dropped and counted. What
it tells a log is the same for all couriers: once that the other side is away, once that it is back, and what was lost.
"""

import logging
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

import gevent
from gevent.event import Event

from gateway.delivery.backlog import Backlog

T = TypeVar("T")

_TELL_SECONDS = 60.0
"""How often losses are logged, at most."""


class Away(Exception):
    """The other side cannot be used now; what it says is fit for a log."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        """``seconds``: how long the other side asks to be left alone; None where it does not say."""
        super().__init__(why)
        self.seconds = seconds


@dataclass(frozen=True)
class Wording:
    """What a courier says of itself."""

    logger: logging.Logger
    away: str
    """Without the reason, which is added."""
    back: str
    undelivered: str
    """At its end; with a ``%d`` for how many are lost. The reason is added."""
    lost: str
    """With a ``%d`` for how many were too many, and one for how many were refused."""


class Courier(ABC, Generic[T]):
    """Brings what it is given, in its order."""

    first_pause_seconds = 0.5
    longest_pause_seconds = 10.0

    def __init__(self, wording: Wording, *, queue: int, batch: int, flush_seconds: float) -> None:
        """Begin at once: what the greenlet needs must be there before this is called.

        ``queue`` items may wait; a full ``batch`` goes out without waiting for ``flush_seconds`` to pass.
        """
        self._wording = wording
        self._backlog: Backlog[T] = Backlog(queue)
        self._batch = batch
        self._flush_seconds = flush_seconds
        self._wake = Event()
        self._closing = False
        self._pause = 0.0
        self._told_at, self._told_lost = float("-inf"), 0
        self.delivered = 0
        self.refused = 0
        """Items that the other side would never take."""
        self.failures = 0
        """How often the other side could not be used."""
        self.error: str | None = None
        """Why it cannot be used now; None where it can."""
        self.last_refusal = ""
        """What the other side said of the last items it refused, where it says anything."""
        self._greenlet = gevent.spawn(self._run)

    @property
    def waiting(self) -> int:
        """Items that are not brought yet."""
        return len(self._backlog)

    @property
    def dropped(self) -> int:
        """Items that were lost because too many waited."""
        return self._backlog.dropped

    def close(self, seconds: float) -> int:
        """Bring what waits, for at most ``seconds``; return how many items are lost for good."""
        self._closing = True
        self._wake.set()
        self._greenlet.join(seconds)
        lost = len(self._backlog)
        if lost:
            why = self.error or "no time was left"
            self._wording.logger.error("%s: %s", self._wording.undelivered % lost, why)
        self._greenlet.kill(block=False)
        return lost

    @abstractmethod
    def _bring(self, batch: list[T]) -> int:
        """Bring a batch; return how many items of it were refused for good. Raises `Away`: it is kept then."""

    def _look_after(self) -> None:
        """Do what else is to be done in the greenlet, when no full batch waits. Raises `Away`."""

    def _take_in(self, item: T) -> None:
        """Keep an item until it is brought. Never waits, never fails."""
        self._backlog.put(item)
        if self._full() and not self._pause:
            self._wake.set()

    def _full(self) -> bool:
        return len(self._backlog) >= self._batch

    def _run(self) -> None:
        while not (self._closing and not self._backlog):
            if not self._closing:
                self._wake.wait(self._pause or self._flush_seconds)
                self._wake.clear()
            elif self._pause:
                gevent.sleep(self.first_pause_seconds)
            brought = self.delivered + self.refused
            try:
                self._bring_what_waits()
                if not self._closing:
                    self._look_after()
                if not self._closing or self.delivered + self.refused > brought:
                    self._recovered()  # At the end, where nothing waits, nobody asked whether the other side is back.
            except Away as away:
                self._failed(str(away), away.seconds)
            except Exception as error:
                self._wording.logger.exception("a defect was met")
                self._failed(type(error).__name__, None)
            self._tell_losses()

    def _bring_what_waits(self) -> None:
        while self._backlog:
            batch = self._backlog.take(self._batch)
            count = len(batch)
            try:
                refused = self._bring(batch)
            except BaseException:
                self._backlog.give_back()
                raise
            self._backlog.brought()
            self._pause = 0.0
            self.refused += refused
            self.delivered += count - refused
            if not self._full() and not self._closing:
                return

    def _failed(self, why: str, seconds: float | None) -> None:
        self.failures += 1
        if self.error is None:
            self._wording.logger.error("%s: %s", self._wording.away, why)
        self.error = why
        if not self._closing:
            self._wake.clear()  # A batch that became full meanwhile must not shorten the pause.
        self._pause = seconds or min(max(2 * self._pause, self.first_pause_seconds), self.longest_pause_seconds)

    def _recovered(self) -> None:
        if self.error is not None:
            self._wording.logger.warning(self._wording.back)
        self.error, self._pause = None, 0.0

    def _tell_losses(self) -> None:
        lost = self.dropped + self.refused
        if lost > self._told_lost and time.monotonic() >= self._told_at + _TELL_SECONDS:
            told = self._wording.lost % (self.dropped, self.refused)
            self._wording.logger.error("%s (%s)" if self.last_refusal else "%s%s", told, self.last_refusal)
            self._told_at, self._told_lost = time.monotonic(), lost
