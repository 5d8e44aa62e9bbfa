"""The writer never lets anybody wait, and loses nothing that it does not count."""

import contextlib
import logging
import sqlite3
from pathlib import Path

import gevent
import pytest
from support.records import a_record
from support.waiting import until

from gateway.store.database import Database
from gateway.store.plan import StorePlan
from gateway.store.writer import Writer


def a_writer(path: Path, **plan: object) -> Writer:
    url = f"sqlite:///{path}"
    made = StorePlan(url, **{"flush_seconds": 0.01, "keep_seconds": None, **plan})  # type: ignore[arg-type]
    return Writer(Database(url), made, lambda: 1_700_000_000.0)


def ids(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:  # Also where there is no table yet.
        return [row[0] for row in connection.execute("SELECT id FROM exchanges ORDER BY number")]


def ids_or_none(path: Path) -> list[str] | None:
    """Return the ids, or None where there is no table yet."""
    try:
        return ids(path)
    except sqlite3.OperationalError:
        return None


def test_records_reach_the_database_in_their_order(tmp_path: Path) -> None:
    """In batches, and without being asked to hurry."""
    path = tmp_path / "exchanges.db"
    writer = a_writer(path, batch=10)
    for number in range(105):
        writer.put(a_record(number))
    until(lambda: writer.delivered == 105)
    assert ids(path) == [f"id-{number}" for number in range(105)]
    assert writer.close(1.0) == 0


def test_database_is_opened_before_there_is_anything_to_write(tmp_path: Path) -> None:
    """Not after the first interval: then an export already finds the table."""
    path = tmp_path / "exchanges.db"
    writer = a_writer(path, flush_seconds=3600.0)
    until(lambda: path.exists() and ids_or_none(path) == [])
    assert writer.close(1.0) == 0


def test_database_of_a_newer_version_is_told_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever starts the gateway sees it then, not when the first exchange has ended."""
    path = tmp_path / "exchanges.db"
    with Database(f"sqlite:///{path}").open() as connection, connection.begin():
        connection.exec_driver_sql("INSERT INTO slowgate_schema (version) VALUES (99)")
    writer = a_writer(path, flush_seconds=3600.0)
    until(lambda: writer.error)
    assert "the store cannot be written, records wait: SchemaTooNew: the database has schema 99" in caplog.text
    assert writer.close(0.0) == 0


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    """A stop loses nothing where the database is there."""
    path = tmp_path / "exchanges.db"
    writer = a_writer(path)
    for number in range(1000):
        writer.put(a_record(number))
    assert writer.close(5.0) == 0
    assert len(ids(path)) == 1000


def test_outage_keeps_the_newest_and_counts_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Records wait up to the bound; when the database comes, all that waited are written. The outage is logged once."""
    path = tmp_path / "later" / "exchanges.db"
    (tmp_path / "later").write_text("no directory yet")
    writer = a_writer(path, queue=100)
    with caplog.at_level(logging.WARNING, "gateway.store"):
        for number in range(150):
            writer.put(a_record(number))
        until(lambda: writer.failures >= 2)
        assert (writer.waiting, writer.dropped, writer.delivered) == (100, 50, 0)
        assert writer.error is not None
        (tmp_path / "later").unlink()
        until(lambda: writer.delivered == 100)
        until(lambda: writer.error is None)  # It is told a moment after the rows are there.
        until(lambda: "can be written again" in caplog.messages[-1])
    assert ids(path) == [f"id-{number}" for number in range(50, 150)]
    told = [record.message for record in caplog.records]
    assert sum("cannot be written" in message for message in told) == 1
    assert any("50 because too many waited" in message for message in told)
    assert told[-1] == "the store can be written again"
    assert writer.close(1.0) == 0


def test_closing_without_a_database_is_bounded_and_says_what_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A stop does not wait for a database that may never come."""
    (tmp_path / "file").write_text("")
    writer = a_writer(tmp_path / "file" / "exchanges.db")
    for number in range(7):
        writer.put(a_record(number))
    with gevent.Timeout(5):
        assert writer.close(0.2) == 7
    assert "7 records of exchanges were not written" in caplog.text


def test_event_loop_goes_on_while_the_database_is_busy(tmp_path: Path) -> None:
    """Another process holds the file: writing waits in its thread, and nobody else waits with it."""
    path = tmp_path / "exchanges.db"
    writer = a_writer(path)
    writer.put(a_record(0))
    until(lambda: writer.delivered == 1)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    writer.put(a_record(1))
    beats = 0
    for _ in range(20):
        gevent.sleep(0.005)
        beats += 1
    assert (beats, writer.delivered, writer.failures) == (20, 1, 0)
    holder.execute("COMMIT")
    holder.close()
    until(lambda: writer.delivered == 2)
    assert writer.close(1.0) == 0
