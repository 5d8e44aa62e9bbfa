"""A million rows leave through the admin listener: the first at once, all of them in the memory of a few."""

import contextlib
import http.client
import time
from collections.abc import Iterator

import pytest
from support.conditions import patience, wait_until
from support.gateway_process import Gateway, route_to, toml_table
from support.million import fill_postgres, fill_sqlite
from support.postgres_process import Postgres

ROWS = 1_000_000
MOST_GROWTH_KIB = 24 * 1024
"""A batch, its text, and what the libraries load for a first query; the rows themselves would be 500 MiB."""


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.foreign)])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose store has a million rows."""
    directory = tmp_path_factory.mktemp("full")
    url = "sqlite:///exchanges.db"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        server.sql("DROP TABLE IF EXISTS exchanges, slowgate_schema")
        url = server.url
    store = {"url": url, "flush": "50ms", "keep": "off", "max_size": "off"}
    # A second one makes the schema by its first row.
    with Gateway(toml_table("store", store) + route_to("http://127.0.0.1:9"), directory) as gateway:
        _ask_data(gateway)
        wait_until(lambda: gateway.admin("/-/store").json()["written"] == 1, 10, "the schema")
        if request.param == "postgresql":
            fill_postgres(server, ROWS)
        else:
            fill_sqlite(directory / "exchanges.db", ROWS)
        yield gateway
        assert "Traceback" not in gateway.stderr()


def _ask_data(gateway: Gateway) -> None:
    with contextlib.closing(http.client.HTTPConnection(*gateway.address, timeout=10)) as connection:
        connection.request("GET", "/")
        connection.getresponse().read()


@contextlib.contextmanager
def export(gateway: Gateway, target: str) -> Iterator[http.client.HTTPResponse]:
    with contextlib.closing(http.client.HTTPConnection(*gateway.admin_address, timeout=60)) as connection:
        connection.request("GET", target)
        with connection.getresponse() as answer:
            yield answer


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_million_rows_leave_in_constant_memory(full: Gateway) -> None:
    """Every row is there, in order, and the worker is hardly larger than before."""
    full.admin("/-/exchanges.csv?limit=1000")
    before_kib, most_kib, lines, last = full.rss_kib(), 0, 0, b""
    with export(full, "/-/exchanges.csv") as answer:
        assert answer.status == 200
        while piece := answer.read(1 << 20):
            lines += piece.count(b"\n")  # A piece may end between CR and LF.
            last = (last + piece)[-4096:]
            most_kib = max(most_kib, full.rss_kib())
    assert lines == ROWS + 2  # the header, and the row that made the schema
    assert most_kib - before_kib < MOST_GROWTH_KIB
    # The row of the schema is the newest: the others ended in 2023.
    assert f",id-{ROWS},".encode() in last


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_first_rows_come_while_the_query_runs_and_a_leaver_ends_it(full: Gateway) -> None:
    """Who reads the first rows and stops holds the query, not the gateway; who leaves ends it."""
    with export(full, "/-/exchanges.ndjson") as answer:
        assert b'"id":"id-1"' in answer.readline()
        assert full.admin("/-/store").json()["exports"] == 1
        before = time.monotonic()
        assert full.admin("/-/healthy").status == 200
        assert time.monotonic() - before < patience(5)
    wait_until(lambda: full.admin("/-/store").json()["exports"] == 0, 30, "the end of the export")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_database_that_dies_in_the_middle_cuts_the_export(full: Gateway, request: pytest.FixtureRequest) -> None:
    """What was sent stays without its end: no reader takes it for whole."""
    if "postgresql" not in request.node.name:
        pytest.skip("a file has nobody to end its query but the gateway")
    server: Postgres = request.getfixturevalue("postgres")
    with export(full, "/-/exchanges.json") as answer:
        assert answer.readline() == b"[\n"
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        wait_until(lambda: server.sql(ended) == "1", 10, "the export's connection")
        with pytest.raises(http.client.IncompleteRead):
            while answer.read(1 << 20):
                pass
    wait_until(lambda: "an export ended early" in full.stderr(), 5, "the reason in the log")
