"""The schema's versions: numbered, forward only, each written down as it was when it came.

A migration is never changed after a release; a new one follows it. Several workers may start at once: one migrates,
the others wait for it.
"""

from sqlalchemy import Connection

_LOCK_NUMBER = 7_311_826_044
"""Ours among the advisory locks of a PostgreSQL database: any number, as long as it stays."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """\
CREATE TABLE exchanges (
    time BIGINT NOT NULL, writer BIGINT NOT NULL, number BIGINT NOT NULL,
    id TEXT, route TEXT, upstream TEXT, endpoint TEXT, method TEXT, target TEXT, status INTEGER, outcome TEXT,
    failure TEXT, side TEXT, detail TEXT, principal TEXT, auth TEXT, queued_ms DOUBLE PRECISION, priority TEXT,
    head_ms DOUBLE PRECISION, first_byte_ms DOUBLE PRECISION, longest_gap_ms DOUBLE PRECISION,
    total_ms DOUBLE PRECISION, bytes_down BIGINT, bytes_plain BIGINT, bytes_up BIGINT, chunks BIGINT,
    not_retried TEXT, hedged TEXT, peer TEXT, format TEXT, frames BIGINT, first_frame_ms DOUBLE PRECISION,
    stalls BIGINT, flaw TEXT, prompt_tokens BIGINT, completion_tokens BIGINT, total_tokens BIGINT, unwatched TEXT,
    early_ms DOUBLE PRECISION, pings BIGINT, drained TEXT, drained_bytes BIGINT, upstream_request_id TEXT,
    trace_id TEXT, converted TEXT,
    attempts BIGINT, tries TEXT,
    PRIMARY KEY (time, writer, number)
){clustered}""",
    ),
)


class SchemaTooNew(Exception):
    """The database was written by a newer version, which may mean something else by its columns."""


def migrate(connection: Connection) -> None:
    """Bring the schema up to date, in one transaction; raise `SchemaTooNew` where it is ahead of us.

    On SQLite the transaction must have begun as a writing one.
    """
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})")
    connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS slowgate_schema (version BIGINT NOT NULL)")
    found = connection.exec_driver_sql("SELECT max(version) FROM slowgate_schema").scalar() or 0
    if found > len(MIGRATIONS):
        raise SchemaTooNew(f"the database has schema {found}, this version knows {len(MIGRATIONS)}: use a newer one")
    for number, statements in enumerate(MIGRATIONS[found:], found + 1):
        for statement in statements:
            connection.exec_driver_sql(statement.format(clustered="" if postgres else " WITHOUT ROWID"))
        connection.exec_driver_sql(f"INSERT INTO slowgate_schema (version) VALUES ({number})")
