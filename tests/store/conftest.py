"""Both databases, empty, for the tests of what must be the same in each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres_process import Postgres

from gateway.store.database import Database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.foreign)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/exchanges.db"
    server: Postgres = request.getfixturevalue("postgres")
    server.sql("DROP TABLE IF EXISTS exchanges, slowgate_schema")
    return server.url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database without any table."""
    made = Database(url)
    yield made
    made.engine.dispose()
