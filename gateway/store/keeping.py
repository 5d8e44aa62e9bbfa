"""The store of one worker: what the rest of the gateway knows of it."""

import time
from collections.abc import Callable, Iterable

import gevent

from gateway.observe.record import Record
from gateway.store.database import Database, Empty
from gateway.store.encoding import ENCODINGS
from gateway.store.export import Export
from gateway.store.filters import parse_filters
from gateway.store.lane import Lane
from gateway.store.plan import StorePlan
from gateway.store.writer import Writer

_LAST_CALL_SECONDS = 5.0
MOST_EXPORTS = 4
"""Exports that may run at once in a worker: each holds a connection, and of SQLite a thread."""


class TooMany(Exception):
    """No further export may begin now."""


class Store:
    """Takes records, and gives them back as exports. Nothing of it waits for the database but an export."""

    def __init__(self, plan: StorePlan) -> None:
        """Nothing is opened here: a database that is not there yet is waited for."""
        self.plan = plan
        self._database = Database(plan.url)
        self._writer = Writer(self._database, plan, time.time)
        self._reading = Lane(MOST_EXPORTS if self._database.is_sqlite else 0)
        self._exports = 0
        self._closed = False

    def put(self, record: Record) -> None:
        """Keep a record, as soon as the database takes it."""
        self._writer.put(record)

    def export(self, form: str, parameters: Iterable[tuple[str, str]], gone: Callable[[], bool]) -> "RunningExport":
        """Begin an export in one of the ``ENCODINGS``; its first rows are there then.

        Raises `BadFilter`, `TooMany`, `Away`, and `ReaderGone` where ``gone`` says that nobody waits any more.
        """
        filters = parse_filters(parameters, time.time())
        encoding = ENCODINGS[form]()
        if self._exports >= MOST_EXPORTS:
            raise TooMany(f"{MOST_EXPORTS} exports run already")
        self._exports += 1
        running = RunningExport(
            Export(self._database, self._reading, encoding, gone, self.plan.export_seconds),
            encoding.content_type,
            self._ended,
        )
        try:
            running.export.begin(filters)
        except BaseException as error:
            running.close()
            why = self._writer.error
            if isinstance(error, Empty) and why is not None:
                raise Empty(f"{error}; it cannot be written: {why}") from None
            raise
        return running

    def snapshot(self) -> dict[str, object]:
        """Return how it stands, for people."""
        writer = self._writer
        return {
            "database": self._database.shown,
            "waiting": writer.waiting,
            "queue": self.plan.queue,
            "written": writer.delivered,
            "dropped": writer.dropped,
            "refused": writer.refused,
            "failures": writer.failures,
            "error": writer.error,
            "exports": self._exports,
        }

    def close(self, seconds: float) -> int:
        """Write what waits, for at most ``seconds``; return how many records are lost. Exports under way go on."""
        lost = self._writer.close(seconds)
        self._closed = True
        self._let_readers_go()
        return lost

    def _ended(self) -> None:
        self._exports -= 1
        self._let_readers_go()

    def _let_readers_go(self) -> None:
        if self._closed and not self._exports:
            # Soon, not at once: what gives the last connection back has to run first.
            gevent.spawn_later(_LAST_CALL_SECONDS, self._reading.close)


class RunningExport:
    """An export whose first rows are there."""

    def __init__(self, export: Export, content_type: str, ended: Callable[[], None]) -> None:
        self.export = export
        self.content_type = content_type
        self._ended = ended
        self._closed = False

    def chunks(self) -> Iterable[bytes]:
        """Yield its octets; it is closed where it ends, whichever way."""
        try:
            yield from self.export.chunks()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the database; calling it again is harmless."""
        if not self._closed:
            self._closed = True
            self._ended()
            self.export.close()
