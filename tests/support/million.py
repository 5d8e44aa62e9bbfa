"""A great many rows in a store, made by the database itself."""

import contextlib
import sqlite3
from pathlib import Path

from support.postgres_process import Postgres

_COLUMNS = "time, writer, number, id, route, outcome, status, method, target, bytes_down, total_ms, attempts, tries"
_VALUES = (
    "1700000000000 + n, 1, n, 'id-' || n, 'route-' || (n % 10), 'complete', 200, 'GET', '/reports/' || n, n,"
    """ n * 0.1, 1, '[{"endpoint":"http://127.0.0.1:9000","status":200}]'"""
)


def fill_sqlite(path: Path, count: int) -> None:
    """Put rows with the numbers from 1 to ``count`` into a file that has the schema."""
    numbers = f"WITH RECURSIVE made(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM made WHERE n < {count})"
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as file:
        file.execute(f"INSERT INTO exchanges ({_COLUMNS}) {numbers} SELECT {_VALUES} FROM made")
        file.commit()


def fill_postgres(server: Postgres, count: int) -> None:
    """Put rows with the numbers from 1 to ``count`` into a database that has the schema."""
    server.sql(f"INSERT INTO exchanges ({_COLUMNS}) SELECT {_VALUES} FROM generate_series(1, {count}) AS made(n)")
