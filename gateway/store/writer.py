"""The writer of one worker: takes records without waiting, and brings them to the database in batches."""

import logging
import secrets
import time
from collections.abc import Callable

from gateway.delivery.courier import Courier, Wording
from gateway.observe.record import Record
from gateway.store.database import Database
from gateway.store.lane import Lane
from gateway.store.plan import StorePlan
from gateway.store.rows import Numbered, Rows

_PRUNE_SECONDS = 60.0

_WORDING = Wording(
    logging.getLogger("gateway.store"),
    away="the store cannot be written, records wait",
    back="the store can be written again",
    undelivered="%d records of exchanges were not written",
    lost="records of exchanges are lost: %d because too many waited, %d refused by the database",
)


class Writer(Courier[Numbered]):
    """Writes what it is given, and deletes what is kept for too long."""

    def __init__(self, database: Database, plan: StorePlan, now: Callable[[], float]) -> None:
        """``now`` returns the seconds since 1970 (UTC)."""
        self._now = now
        self._lane = Lane(1 if database.is_sqlite else 0)
        self._rows = Rows(database, plan, secrets.randbits(48))
        self._number = 0
        self._prune_at = 0.0
        super().__init__(_WORDING, queue=plan.queue, batch=plan.batch, flush_seconds=plan.flush_seconds)
        self._wake.set()  # At once, for the first look opens the database: what is wrong with it is told when we start.

    def put(self, record: Record) -> None:
        """Take a record. Never waits, never fails."""
        self._number += 1
        self._take_in((self._number, record))

    def close(self, seconds: float) -> int:
        """Write what waits, for at most ``seconds``; return how many records are lost for good."""
        lost = super().close(seconds)
        self._lane.begin(self._rows.close)
        self._lane.close()
        return lost

    def _bring(self, batch: list[Numbered]) -> int:
        return self._lane.run(lambda: self._rows.write(batch))

    def _look_after(self) -> None:
        if time.monotonic() < self._prune_at:
            return
        while self._lane.run(lambda: self._rows.prune(self._now())):
            if self._closing or self._full():
                return  # Writing comes first; the rest is looked at in a moment.
        self._prune_at = time.monotonic() + _PRUNE_SECONDS
