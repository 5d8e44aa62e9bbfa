"""The writer of one worker: takes records without waiting, and brings them to the database in batches.

While the database is away records are kept, up to the bound of the queue; then the oldest are dropped and counted.
"""

import logging
import secrets
import time
from collections.abc import Callable

import gevent
from gevent.event import Event

from gateway.observe.record import Record
from gateway.store.backlog import Backlog
from gateway.store.database import Away, Database
from gateway.store.lane import Lane
from gateway.store.plan import StorePlan
from gateway.store.rows import Numbered, Rows

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_PRUNE_SECONDS = 60.0
_TELL_SECONDS = 60.0
"""How often losses are logged, at most."""

_log = logging.getLogger("gateway.store")


class Writer:
    """Writes what it is given; ``now`` returns the seconds since 1970 (UTC)."""

    def __init__(self, database: Database, plan: StorePlan, now: Callable[[], float]) -> None:
        self._plan = plan
        self._now = now
        self._lane = Lane(1 if database.is_sqlite else 0)
        self._rows = Rows(database, plan, secrets.randbits(48))
        self._backlog: Backlog[Numbered] = Backlog(plan.queue)
        self._wake = Event()
        self._closing = False
        self._number = 0
        self._pause = 0.0
        self._prune_at = 0.0
        self._told_at, self._told_lost = float("-inf"), 0
        self.written = 0
        self.refused = 0
        """Rows that the database would never take."""
        self.failures = 0
        """How often the database could not be used."""
        self.error: str | None = None
        """Why it cannot be used now; None where it can."""
        self._greenlet = gevent.spawn(self._run)

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return len(self._backlog)

    @property
    def dropped(self) -> int:
        """Records that were lost because too many waited."""
        return self._backlog.dropped

    def put(self, record: Record) -> None:
        """Take a record. Never waits, never fails."""
        self._number += 1
        self._backlog.put((self._number, record))
        if len(self._backlog) >= self._plan.batch and not self._pause:
            self._wake.set()

    def close(self, seconds: float) -> int:
        """Write what waits, for at most ``seconds``; return how many records are lost for good."""
        self._closing = True
        self._wake.set()
        self._greenlet.join(seconds)
        lost = len(self._backlog)
        if lost:
            _log.error("%d records of exchanges were not written: %s", lost, self.error or "no time was left")
        self._greenlet.kill(block=False)
        self._lane.begin(self._rows.close)
        self._lane.close()
        return lost

    def _run(self) -> None:
        while not (self._closing and not self._backlog):
            if not self._closing:
                self._wake.wait(self._pause or self._plan.flush_seconds)
                self._wake.clear()
            elif self._pause:
                gevent.sleep(_FIRST_PAUSE_SECONDS)
            try:
                self._write_what_waits()
                if not self._closing:
                    self._prune()
                self._recovered()
            except Away as away:
                self._failed(str(away))
            except Exception as error:
                _log.exception("the store met a defect")
                self._failed(type(error).__name__)
            self._tell_losses()

    def _write_what_waits(self) -> None:
        while self._backlog:
            batch = self._backlog.take(self._plan.batch)
            count = len(batch)
            try:
                refused = self._lane.run(lambda batch=batch: self._rows.write(batch))  # type: ignore[misc]
            except BaseException:
                self._backlog.give_back()
                raise
            self._backlog.written()
            self.refused += refused
            self.written += count - refused
            if len(self._backlog) < self._plan.batch and not self._closing:
                return

    def _prune(self) -> None:
        if time.monotonic() < self._prune_at:
            return
        while self._lane.run(lambda: self._rows.prune(self._now())):
            if self._closing or len(self._backlog) >= self._plan.batch:
                return  # Writing comes first; the rest is looked at in a moment.
        self._prune_at = time.monotonic() + _PRUNE_SECONDS

    def _failed(self, why: str) -> None:
        self.failures += 1
        if self.error is None:
            _log.error("the store cannot be written, records wait: %s", why)
        self.error = why
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)

    def _recovered(self) -> None:
        if self.error is not None:
            _log.warning("the store can be written again")
        self.error, self._pause = None, 0.0

    def _tell_losses(self) -> None:
        lost = self.dropped + self.refused
        if lost > self._told_lost and time.monotonic() >= self._told_at + _TELL_SECONDS:
            message = "records of exchanges are lost: %d because too many waited, %d refused by the database"
            _log.error(message, self.dropped, self.refused)
            self._told_at, self._told_lost = time.monotonic(), lost
