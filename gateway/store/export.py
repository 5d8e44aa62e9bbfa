"""An export: one query, read through a cursor at the server, as fast as its reader takes it.

Of the rows no more than one batch is here at any time. The query is cancelled where its reader leaves, also while it
still looks for its first row.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gevent
from sqlalchemy import Connection, CursorResult, Select, or_, select

from gateway.delivery.courier import Away
from gateway.store.database import Database, reading_fault
from gateway.store.encoding import Encoding
from gateway.store.filters import Filters
from gateway.store.lane import Lane, Work
from gateway.store.schema import EXCHANGES, KEY, TOLD

T = TypeVar("T")

_ROWS_AT_ONCE = 200
_LOOK_SECONDS = 0.5
"""How often a waiting export looks whether its reader is still there."""

_log = logging.getLogger("gateway.store")


class ReaderGone(Exception):
    """Nobody waits for the rows any more."""


def query(filters: Filters) -> Select[tuple[object, ...]]:
    """Return the statement for ``filters``: rows in the order of their exchanges' ends, which is that of the key."""
    columns = EXCHANGES.c
    found = select(*(columns[name] for name in TOLD)).order_by(*(columns[name] for name in KEY))
    if filters.since is not None:
        found = found.where(columns.time >= filters.since)
    if filters.until is not None:
        found = found.where(columns.time < filters.until)
    for column, values in (
        (columns.route, filters.routes),
        (columns.principal, filters.principals),
        (columns.outcome, filters.outcomes),
    ):
        if values:
            found = found.where(column.in_(values))
    if filters.statuses:
        status = columns.status
        ranges = (status.is_(None) if each is None else status.between(*each) for each in filters.statuses)
        found = found.where(or_(*ranges))
    return found if filters.limit is None else found.limit(filters.limit)


class Export:
    """One export under way. `close` must follow, whatever happens; a second call does nothing."""

    def __init__(
        self, database: Database, lane: Lane, encoding: Encoding, gone: Callable[[], bool], seconds: float
    ) -> None:
        """``gone`` tells whether the reader has left; ``seconds`` is how long it may all take."""
        self._database = database
        self._lane = lane
        self._encoding = encoding
        self._gone = gone
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._connection: Connection | None = None
        self._result: CursorResult[tuple[object, ...]] | None = None
        self._work: Work[Any] | None = None
        self._first: bytes | None = None
        self._ended = False

    def begin(self, filters: Filters) -> None:
        """Begin the query and wait for its first rows. Raises `Away` and `ReaderGone`."""
        self._patiently(lambda: self._open(filters))
        self._first = self._patiently(self._next)

    def chunks(self) -> Iterator[bytes]:
        """Yield the export; what is raised means that the rest is missing, and is logged."""
        try:
            yield self._encoding.head() + (self._first or b"")
            piece = self._first
            self._first = None
            while piece is not None:
                piece = self._patiently(self._next)
                if piece:
                    yield piece
            yield self._encoding.tail()
        except (Away, ReaderGone) as error:
            _log.warning("an export ended early: %s", error)
            raise

    def close(self) -> None:
        """Give the connection back; a query that still runs is cancelled."""
        if self._ended:
            return
        self._ended = True
        if self._work is None or self._work.wait(0):
            self._lane.begin(self._give_back)
        else:
            gevent.spawn(self._interrupt)

    def _open(self, filters: Filters) -> None:
        self._connection = self._database.open_for_reading()
        try:
            options = self._connection.execution_options(yield_per=_ROWS_AT_ONCE)
            self._result = options.execute(query(filters))
        except Exception as error:
            raise reading_fault(error) from None

    def _next(self) -> bytes | None:
        """Return the next rows as text; None after the last."""
        assert self._result is not None
        try:
            rows = self._result.fetchmany(_ROWS_AT_ONCE)
        except Exception as error:
            raise reading_fault(error) from None
        return self._encoding.rows(rows) if rows else None

    def _patiently(self, call: Callable[[], T]) -> T:
        work = self._lane.begin(call)
        self._work = work
        while not work.wait(_LOOK_SECONDS):
            if self._gone():
                raise ReaderGone("its reader left")
            if time.monotonic() > self._until:
                raise Away(f"it took longer than {self._seconds:g} s")
        if time.monotonic() > self._until:
            raise Away(f"it took longer than {self._seconds:g} s")
        return work.result()

    def _interrupt(self) -> None:
        """End the call under way, and let go of the connection only then: no other thread may touch it before."""
        with contextlib.suppress(Exception):
            self._cancel()
        if self._work is not None:
            self._work.wait()
        self._lane.run(self._give_back)

    def _cancel(self) -> None:
        """Stop a statement that runs in another thread or greenlet; harmless where none does."""
        if self._connection is None or self._connection.closed:
            return
        driver = self._connection.connection.driver_connection
        if self._database.is_sqlite:
            driver.interrupt()  # type: ignore[union-attr]
        else:
            driver.cancel_safe(timeout=2.0)  # type: ignore[union-attr]

    def _give_back(self) -> None:
        if self._connection is not None:
            if self._result is not None:
                with contextlib.suppress(Exception):
                    self._result.close()
            with contextlib.suppress(Exception):
                self._connection.invalidate()
            with contextlib.suppress(Exception):
                self._connection.close()
