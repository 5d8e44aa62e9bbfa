"""The schema comes into being, once, and never goes back."""

import threading

import pytest
from sqlalchemy import inspect

from gateway.delivery.courier import Away
from gateway.store.database import Database
from gateway.store.migrations import MIGRATIONS
from gateway.store.schema import COLUMNS, EXCHANGES, KEY


def test_migrations_make_the_table_that_rows_are_written_to(database: Database) -> None:
    """The columns, their order and the key are those of the schema; opening it again changes nothing."""
    for _ in range(2):
        database.open().close()
    found = inspect(database.engine)
    columns = found.get_columns("exchanges")
    assert tuple(column["name"] for column in columns) == COLUMNS
    assert tuple(found.get_pk_constraint("exchanges")["constrained_columns"]) == KEY
    kinds = [column.type.python_type for column in EXCHANGES.columns]
    assert [column["type"].python_type for column in columns] == kinds


def test_workers_that_start_at_once_migrate_once(url: str) -> None:
    """None fails, and each version is written down once."""
    errors: list[Exception] = []

    def start() -> None:
        try:
            Database(url).open().close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    with Database(url).engine.connect() as connection:
        versions = connection.exec_driver_sql("SELECT version FROM slowgate_schema").scalars().all()
    assert versions == list(range(1, len(MIGRATIONS) + 1))


def test_database_of_a_newer_version_is_left_alone(database: Database) -> None:
    """An older gateway does not write what it cannot mean."""
    with database.open() as connection, connection.begin():
        connection.exec_driver_sql("INSERT INTO slowgate_schema (version) VALUES (99)")
    with pytest.raises(Away, match="has schema 99, this version knows 1"):
        database.open()
