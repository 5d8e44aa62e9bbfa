"""A connection to the store's database, whichever it is: opened, configured and migrated; its errors in our words."""

import ipaddress
import os
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

from gevent.monkey import get_original
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from gateway.delivery.courier import Away
from gateway.store.migrations import SchemaTooNew, migrate

_AGAIN_SECONDS = 0.01
_BUSY_SECONDS = 5.0
"""How long a worker waits while another one writes to the same file."""
_CONNECT_SECONDS = 5
_SILENT_MILLISECONDS = 30_000
"""After it a server that acknowledges nothing counts as gone."""
_SQLITE_SETUP = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", "PRAGMA journal_size_limit = 16777216")
_NO_SUCH_TABLE = "42P01"
"""PostgreSQL's code for it."""
_MOST_WORDS = 300
_thread_sleep = get_original("time", "sleep")
"""SQLite is used in threads, where a greenlet's sleep would need an event loop of its own."""


class Empty(Away):
    """Nobody has written to the database yet: it lacks its file, or its table."""


class Refused(Exception):
    """The database takes no such row, now or ever."""


class Database:
    """Opens connections to one database. All of it blocks: call it in a lane."""

    def __init__(self, url: str) -> None:
        found = make_url(url)
        self.is_sqlite = found.get_backend_name() == "sqlite"
        self.shown = found.set(query={}).render_as_string(hide_password=True)
        """Its address, without its password."""
        self._path = Path(found.database or "") if self.is_sqlite else None
        self.engine: Engine = _sqlite(url) if self.is_sqlite else _postgres(url)

    def open(self) -> Connection:
        """Return a connection for writing; the schema is up to date then. Raises `Away`."""
        try:
            if self._path is not None:
                _make_file(self._path)
            connection = self.engine.connect().execution_options(sqlite_begin="BEGIN IMMEDIATE")
            try:
                with connection.begin():
                    migrate(connection)
            except BaseException:
                connection.close()
                raise
            return connection
        except (SQLAlchemyError, OSError, SchemaTooNew, sqlite3.Error) as error:
            raise Away(words(error)) from None

    def open_for_reading(self) -> Connection:
        """Return a connection that sees one moment of the database; make no file. Raises `Away`, and `Empty`."""
        try:
            if self._path is not None and not self._path.exists():  # It may not even be ours to look for it.
                raise Empty("nothing has been written yet: the database has no file")
            connection = self.engine.connect()
            if not self.is_sqlite:
                # In the transaction of the query, for a pooler may give the connection to somebody else after it. The
                # first rows are wanted soon, not all of them early: no plan that sorts before it begins.
                connection.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 0.0001")
            return connection
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            raise Away(words(error)) from None


def reading_fault(error: Exception) -> Away:
    """Return what an error of a query means."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if getattr(cause, "sqlstate", None) == _NO_SUCH_TABLE or str(cause).startswith("no such table"):
        return Empty("nothing has been written yet: the database has no table of exchanges")
    return Away(words(error))


def translated(error: Exception) -> Exception:
    """Return what a statement's error means: `Refused` where its rows are to blame, `Away` else."""
    if isinstance(error, DataError | IntegrityError | ValueError | OverflowError | TypeError):
        return Refused(words(error))
    if isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError):
        return Refused(words(error))
    return Away(words(error))


def words(error: BaseException) -> str:
    """Return the first line of what went wrong, without values of rows: those stand on the lines after it."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = (str(cause).strip().splitlines() or [""])[0]
    return f"{type(cause).__name__}: {text}"[:_MOST_WORDS]


def _sqlite(url: str) -> Engine:
    arguments = {"timeout": _BUSY_SECONDS, "check_same_thread": False, "isolation_level": None}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        for statement in _SQLITE_SETUP:
            _execute_patiently(connection, statement)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The driver's own transactions begin too late for two writers: each would read first, and one lose.
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))

    return engine


def _execute_patiently(connection: Any, statement: str) -> None:
    """Execute a statement on SQLite's own connection, again and again while others hold the file.

    Changing the journal's mode is the one thing for which SQLite does not wait by itself, and workers start together.
    """
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            _thread_sleep(_AGAIN_SECONDS)


def _postgres(url: str) -> Engine:
    arguments = {
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "slowgate",
        "tcp_user_timeout": _SILENT_MILLISECONDS,
    }
    found = make_url(url).set(drivername="postgresql+psycopg")
    for name in found.query:
        arguments.pop(name, None)
    engine = create_engine(found, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    event.listen(engine, "do_connect", _resolve)
    return engine


def _resolve(dialect: Any, record: Any, args: Any, parameters: dict[str, Any]) -> None:
    """Look the server's name up ourselves: the driver's library would stop everything until it is found."""
    host = parameters.get("host")
    if not isinstance(host, str) or not host or host.startswith(("/", "@")) or "," in host or "hostaddr" in parameters:
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        parameters["hostaddr"] = str(found[0][4][0])


def _make_file(path: Path) -> None:
    """Make the file with its directory where they are missing; nobody else may read it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
