"""Rows go in, in batches, and go again when they are too old or too many. All of it blocks: call it in a lane."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection

from gateway.delivery.courier import Away
from gateway.observe.record import Record
from gateway.store.database import Database, Refused, translated
from gateway.store.plan import StorePlan
from gateway.store.schema import COLUMNS, Value, rows_by

_PRUNED_AT_ONCE = 1000

Numbered = tuple[int, Record]
"""A record with its number among those of its worker."""


class Rows:
    """The rows of one worker's records, through one connection that is opened when it is needed."""

    def __init__(self, database: Database, plan: StorePlan, writer: int) -> None:
        """``writer`` tells this worker from all others that ever were."""
        self._database = database
        self._plan = plan
        self._writer = writer
        self._row = rows_by(plan.query_strings, plan.leave_out)
        self._connection: Connection | None = None
        mark = "?" if database.is_sqlite else "%s"
        self._insert = (
            f"INSERT INTO exchanges ({', '.join(COLUMNS)}) VALUES ({', '.join([mark] * len(COLUMNS))})"
            " ON CONFLICT DO NOTHING"
        )

    def write(self, records: list[Numbered]) -> int:
        """Write all ``records``, or, where some are refused, all others; return how many were. Raises `Away`."""
        rows = [self._of(each) for each in records]
        try:
            self._insert_all(rows)
        except Refused:
            return sum(not self._goes_in(row) for row in rows)
        return 0

    def prune(self, now: float) -> int:
        """Delete some of the rows that are too old or too many; return how many. 0: there is nothing to delete."""
        with self._transaction() as connection:
            bounds = [bound for bound in self._bounds(connection, now) if bound is not None]
            if not bounds:
                return 0
            step = "SELECT time FROM exchanges ORDER BY time LIMIT 1 OFFSET "
            last = connection.exec_driver_sql(f"{step}{_PRUNED_AT_ONCE - 1}").scalar()
            until = max(bounds) if last is None else min(max(bounds), int(last))
            gone: int = connection.exec_driver_sql(f"DELETE FROM exchanges WHERE time <= {until}").rowcount
            return gone

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def _bounds(self, connection: Connection, now: float) -> Iterator[int | None]:
        """Yield ends of what has to go, as times; None where a rule leaves everything."""
        plan = self._plan
        oldest = connection.exec_driver_sql("SELECT min(time) FROM exchanges").scalar()
        if oldest is None:
            return
        if plan.keep_seconds is not None:
            end = int((now - plan.keep_seconds) * 1000)
            yield end if int(oldest) <= end else None
        if plan.max_rows is not None:
            newest = f"SELECT time FROM exchanges ORDER BY time DESC LIMIT 1 OFFSET {plan.max_rows}"
            yield connection.exec_driver_sql(newest).scalar()
        if plan.max_size is not None and self._database.is_sqlite:
            used = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
            full = used * _pragma(connection, "page_size") > plan.max_size
            batch = f"SELECT time FROM exchanges ORDER BY time LIMIT 1 OFFSET {_PRUNED_AT_ONCE - 1}"
            yield connection.exec_driver_sql(batch).scalar() if full else None

    def _of(self, numbered: Numbered) -> tuple[Value, ...]:
        number, record = numbered
        return (int(record.time * 1000), self._writer, number, *self._row(record))

    def _goes_in(self, row: tuple[Value, ...]) -> bool:
        try:
            self._insert_all([row])
        except Refused:
            return False
        return True

    def _insert_all(self, rows: list[tuple[Value, ...]]) -> None:
        with self._transaction() as connection:
            connection.exec_driver_sql(self._insert, rows)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._connection is None:
            self._connection = self._database.open()
        try:
            with self._connection.begin():
                yield self._connection
        except Exception as error:
            told = translated(error)
            if isinstance(told, Away):
                self.close()  # Whatever ails it, the next one begins anew.
            raise told from None


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)
