"""Rows go in and go again, in either database."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from support.records import END, a_record

from gateway.delivery.courier import Away
from gateway.store.database import Database
from gateway.store.plan import StorePlan
from gateway.store.rows import Rows
from gateway.store.schema import COLUMNS, KEY

KEPT_FOR_EVER = StorePlan("", keep_seconds=None, max_size=None)
OpenRows = Callable[..., Rows]


@pytest.fixture
def open_rows(database: Database) -> Iterator[OpenRows]:
    """Open the rows of a worker: ``open_rows(plan, writer)``."""
    opened = []

    def open_(plan: StorePlan = KEPT_FOR_EVER, writer: int = 1) -> Rows:
        opened.append(Rows(database, plan, writer))
        return opened[-1]

    yield open_
    for rows in opened:
        rows.close()


def column(database: Database, what: str = "id") -> list[Any]:
    with database.engine.connect() as connection:
        return list(connection.exec_driver_sql(f"SELECT {what} FROM exchanges ORDER BY time, number").scalars())


def test_rows_are_there_when_they_were_written(database: Database, open_rows: OpenRows) -> None:
    """All members reach their columns; the time is in milliseconds."""
    record = a_record(7, principal="tenant", detail="it's grüße %s ? :x", total_ms=1.5, bytes_down=2**40)
    assert open_rows().write([(1, record)]) == 0
    assert column(database, "time") == [int(END * 1000)]
    assert column(database, "principal") == ["tenant"]
    assert column(database, "detail") == ["it's grüße %s ? :x"]
    assert column(database, "total_ms") == [1.5]
    assert column(database, "bytes_down") == [2**40]


def test_batch_written_twice_is_there_once(database: Database, open_rows: OpenRows) -> None:
    """Where a commit was not heard of the batch is written again; another worker's rows are other rows."""
    batch = [(number, a_record(number)) for number in range(5)]
    rows = open_rows()
    assert rows.write(batch[:3]) == 0
    assert rows.write(batch) == 0
    open_rows(writer=2).write(batch[:1])
    assert sorted(column(database)) == sorted(["id-0", *(f"id-{number}" for number in range(5))])


def test_refused_row_goes_alone(database: Database, open_rows: OpenRows, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others of its batch are written; nothing is tried for ever."""
    rows = open_rows()
    made = rows._row
    batch = [(number, a_record(number)) for number in range(3)]
    monkeypatch.setattr(rows, "_row", lambda record: _with_bytes(made(record), 2**80 if record.id == "id-1" else 1))
    assert rows.write(batch) == 1
    assert column(database) == ["id-0", "id-2"]


def _with_bytes(row: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    place = COLUMNS.index("bytes_down") - len(KEY)
    return (*row[:place], count, *row[place + 1 :])


def test_rows_that_are_too_old_go(database: Database, open_rows: OpenRows) -> None:
    """What is younger stays; where there is nothing to delete, nothing is."""
    rows = open_rows(StorePlan("", keep_seconds=60.0))
    rows.write([(number, a_record(number, time=END - 30 * number)) for number in range(5)])
    assert rows.prune(END) == 3
    assert rows.prune(END) == 0
    assert column(database) == ["id-1", "id-0"]


def test_rows_that_are_too_many_go_oldest_first(database: Database, open_rows: OpenRows) -> None:
    """In small batches, so that nobody waits long for the database."""
    rows = open_rows(StorePlan("", keep_seconds=None, max_rows=500))
    rows.write([(number, a_record(number, time=END + number)) for number in range(3000)])
    gone = [rows.prune(END) for _ in range(4)]
    assert gone == [1000, 1000, 500, 0]
    assert column(database) == [f"id-{number}" for number in range(2500, 3000)]


def test_file_that_is_too_large_loses_its_oldest_rows(tmp_path: Any) -> None:
    """The place of deleted rows is used again, so the file stays about as large as it may be."""
    database = Database(f"sqlite:///{tmp_path}/exchanges.db")
    rows = Rows(database, StorePlan("", keep_seconds=None, max_size=2**20), 1)
    sizes = []
    for start in range(0, 30_000, 1000):
        rows.write([(number, a_record(number, time=END + number)) for number in range(start, start + 1000)])
        while rows.prune(END):
            pass
        sizes.append((tmp_path / "exchanges.db").stat().st_size)
    rows.close()
    assert max(sizes) < 2 * 2**20
    assert column(database)[-1] == "id-29999"


def test_full_disk_is_an_outage_that_ends(tmp_path: Any) -> None:
    """Nothing of the batch is there; once there is room again it goes in, through the same rows."""
    database = Database(f"sqlite:///{tmp_path}/exchanges.db")
    pages = 20

    @event.listens_for(database.engine, "connect")
    def limit(connection: sqlite3.Connection, record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    rows = Rows(database, KEPT_FOR_EVER, 1)
    batch = [(number, a_record(number)) for number in range(2000)]
    with pytest.raises(Away, match="disk is full"):
        rows.write(batch)
    assert column(database) == []
    pages = 100_000
    assert rows.write(batch) == 0
    rows.close()
    assert len(column(database)) == 2000


def test_other_worker_that_writes_is_waited_for(tmp_path: Any) -> None:
    """Two workers of one file take turns; neither fails because it read before it wrote."""
    databases = [Database(f"sqlite:///{tmp_path}/exchanges.db") for _ in range(2)]
    first, second = (Rows(database, KEPT_FOR_EVER, number) for number, database in enumerate(databases))
    for number in range(20):
        first.write([(number, a_record(number))])
        second.write([(number, a_record(number))])
    first.close()
    second.close()
    assert len(column(databases[0])) == 40


def test_transaction_of_a_worker_is_a_writing_one_from_its_beginning(tmp_path: Any) -> None:
    """One that read first and wrote then would fail at once where another wrote between: no waiting helps it."""
    rows = Rows(Database(f"sqlite:///{tmp_path}/exchanges.db"), KEPT_FOR_EVER, 1)
    other = sqlite3.connect(tmp_path / "exchanges.db", timeout=0, isolation_level=None)
    with rows._transaction(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()
    rows.close()


def test_file_of_the_store_is_its_owners_alone(tmp_path: Any) -> None:
    """Who asked for what is nobody else's business."""
    Database(f"sqlite:///{tmp_path}/new/exchanges.db").open().close()
    assert (tmp_path / "new/exchanges.db").stat().st_mode & 0o777 == 0o600


def test_directory_that_cannot_be_made_is_an_outage(tmp_path: Any) -> None:
    """It may be mounted later."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Away, match=r"FileExistsError|NotADirectoryError"):
        Database(f"sqlite:///{tmp_path}/file/exchanges.db").open()
