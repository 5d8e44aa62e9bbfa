"""The exchange store behind the real server: one row for every end there is, and exports that stream."""

import contextlib
import csv
import io
import json
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import StartGateway
from support.conditions import wait_until
from support.gateway_process import Gateway, route_to, toml_table
from support.postgres_process import Postgres
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, chunk, response

STORE = toml_table("store", {"url": "sqlite:///var/exchanges.db", "flush": "50ms"})
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def by_target(connection: ScriptedConnection) -> None:
    """Answer by what the target's last part says."""
    what = connection.read_head().target.partition("?")[0].rpartition("/")[2]
    if what == "cut":
        connection.send(CHUNKED + chunk(b"half"))
    elif what == "endless":
        connection.send(CHUNKED + chunk(b"begun"))
        connection.hang()
    elif what == "silent":
        connection.hang()
    else:
        connection.send(response(b"whole"))


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """An upstream with an answer of each kind."""
    with ScriptedUpstream(by_target) as made:
        yield made


def rows(gateway: Gateway) -> list[dict[str, Any]]:
    """Return what the store exports; nothing while there is no database yet."""
    answer = gateway.admin("/-/exchanges.json")
    return answer.json() if answer.status == 200 else []  # type: ignore[no-any-return]


def asked(gateway: Gateway, target: str) -> RudeClient:
    return RudeClient(gateway.address).get(target)


def whole(gateway: Gateway, target: str) -> None:
    with asked(gateway, target) as client:
        client.read_response()


def cut(gateway: Gateway, target: str) -> None:
    with asked(gateway, target) as client, contextlib.suppress(Exception):
        client.read_response()


def left_before_the_head(gateway: Gateway, target: str) -> None:
    with asked(gateway, target):
        wait_until(lambda: gateway.admin("/-/ready").json()["streams"] == 1, 5, "the exchange")


def left_within_the_body(gateway: Gateway, target: str) -> None:
    with asked(gateway, target) as client:
        client.read_until_head()


def malformed(gateway: Gateway, target: str) -> None:
    with RudeClient(gateway.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").read_response()


ENDS: dict[str, tuple[Callable[[Gateway, str], None], str, tuple[str, int | None, str | None]]] = {
    "complete": (whole, "/all/whole", ("complete", 200, None)),
    "cut": (cut, "/all/cut", ("truncated", 200, "upstream")),
    "client-gone-before-the-head": (left_before_the_head, "/all/silent", ("client_gone", None, "downstream")),
    "client-gone-in-the-body": (left_within_the_body, "/all/endless", ("client_gone", 200, "downstream")),
    "no-route": (whole, "/nowhere", ("rejected", 404, "gateway")),
    "no-upstream": (whole, "/dead/", ("failed", 502, "upstream")),
    "timed-out": (cut, "/short/endless", ("timed_out", 200, "upstream")),
    "bad-request": (malformed, "/", ("rejected", None, "downstream")),
}


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a store, and routes to an upstream of each kind and to none."""
    with ScriptedUpstream(by_target) as upstream, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        toml = STORE + toml_table("upstreams.up", {"endpoints": [upstream.url]})
        toml += toml_table("upstreams.dead", {"endpoints": [f"http://127.0.0.1:{unused.getsockname()[1]}"]})
        for route in (
            {"name": "all", "path": "/all/", "upstream": "up"},
            {"name": "dead", "path": "/dead/", "upstream": "dead"},
            {"name": "short", "path": "/short/", "upstream": "up", "timeouts": {"idle": "200ms"}},
        ):
            toml += toml_table("[routes]", route)
        with Gateway(toml, tmp_path_factory.mktemp("ends")) as gateway:
            yield gateway
            assert "Traceback" not in gateway.stderr()


@pytest.mark.parametrize("end", ENDS)
def test_every_end_leaves_one_row_that_says_what_the_line_says(ends: Gateway, end: str) -> None:
    """Whatever became of an exchange, its row is there, once, with outcome, status and side."""
    play, target, expected = ENDS[end]
    before = {line["id"] for line in ends.log_lines()}
    play(ends, f"{target}?key=s3cret")
    line = ends.wait_for_line(lambda line: line["id"] not in before)
    found = wait_until(lambda: [row for row in rows(ends) if row["id"] == line["id"]], 5, "the row")
    assert len(found) == 1
    row = found[0]
    assert (row["outcome"], row["status"], row["side"]) == expected
    same = set(line) & set(row) - {"target", "time"}
    assert {key: row[key] for key in same} == {key: line[key] for key in same}
    assert row["target"] == line["target"].partition("?")[0]
    assert row["time"] == line["time"] or abs(int(row["time"][-4:-1]) - int(line["time"][-4:-1])) <= 1
    assert len(row["tries"]) == row["attempts"] == line["attempts"]
    assert "s3cret" not in json.dumps(row)


def test_stop_drains_the_store_too(gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    """Streams that shutdown ends, and all that waited, are in the file when the process has ended."""
    toml = toml_table("store", {"url": "sqlite:///var/exchanges.db", "flush": "1h"}) + route_to(upstream.url)
    running = gateway(toml, server={"drain_timeout": "200ms"})
    for _ in range(5):
        whole(running, "/whole")
    with asked(running, "/endless") as client:
        client.read_until_head()
        running.signal(signal.SIGTERM)
        running.wait()
    with contextlib.closing(sqlite3.connect(running.directory / "var/exchanges.db")) as file:
        outcomes = [row[0] for row in file.execute("SELECT outcome FROM exchanges ORDER BY time")]
    assert outcomes == ["complete"] * 5 + ["drained"]


def test_two_workers_write_into_one_file(gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    """Both migrate, both write, and no row is lost to the other."""
    running = gateway(STORE + route_to(upstream.url), server={"workers": 2})
    for _ in range(100):
        whole(running, "/whole")
    wait_until(lambda: len(rows(running)) == 100, 10, "100 rows")
    assert {row["id"] for row in rows(running)} == {line["id"] for line in running.log_lines()}


def test_reload_changes_the_store_and_loses_nothing(gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    """What waited goes where it was meant to; a stream that runs goes, at its end, where rows go now."""
    old = toml_table("store", {"url": "sqlite:///old.db", "flush": "1h"})
    running = gateway(old + route_to(upstream.url))
    whole(running, "/whole")
    with asked(running, "/endless") as client:
        client.read_until_head()
        running.write(toml_table("store", {"url": "sqlite:///new.db", "flush": "50ms"}) + route_to(upstream.url))
        running.signal(signal.SIGHUP)
        wait_until(lambda: "new.db" in running.admin("/-/store").text, 5, "the new store")
    wait_until(lambda: len(rows(running)) == 1, 5, "the stream's row")
    assert rows(running)[0]["target"] == "/endless"
    with contextlib.closing(sqlite3.connect(running.directory / "old.db")) as file:
        found = wait_until(lambda: file.execute("SELECT target FROM exchanges").fetchall(), 5, "the old row")
    assert found == [("/whole",)]


def test_gateway_without_a_store_says_so(gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    """And has not loaded what only a store needs."""
    running = gateway(route_to(upstream.url))
    for path in ("/-/exchanges.csv", "/-/store"):
        answer = running.admin(path)
        assert (answer.status, answer.json()["detail"]) == (404, "no [store] is configured")
    maps = [Path(f"/proc/{pid}/maps").read_text() for pid in running.worker_pids()]
    assert not any("sqlalchemy" in each or "_sqlite3" in each for each in maps)


def test_exports_tell_the_same_in_each_format(ends: Gateway) -> None:
    """CSV with a header, one object a line, one array: the same rows, and HEAD answers too."""
    whole(ends, "/all/whole")
    wait_until(lambda: any(row["outcome"] == "complete" for row in rows(ends)), 5, "its row")
    listed = ends.admin("/-/exchanges.csv?outcome=complete&limit=1")
    lines = ends.admin("/-/exchanges.ndjson?outcome=complete&limit=1").text.splitlines()
    array = ends.admin("/-/exchanges.json?outcome=complete&limit=1").json()
    assert [json.loads(line) for line in lines] == array
    assert [row["id"] for row in csv.DictReader(io.StringIO(listed.text, newline=""))] == [array[0]["id"]]
    assert ends.admin("/-/exchanges.csv", method="HEAD").status == 200
    wait_until(lambda: ends.admin("/-/store").json()["exports"] == 0, 5, "the end of every export")
    assert ends.admin("/-/exchanges.xml").status == 404


@pytest.mark.parametrize("query", ["rout=a", "since=yesterday", "status=5x", "outcome=fine"])
def test_bad_filter_is_refused(ends: Gateway, query: str) -> None:
    """With a problem document that names what is allowed."""
    answer = ends.admin(f"/-/exchanges.csv?{query}")
    assert (answer.status, answer.json()["title"]) == (400, "Bad filter")
    assert len(answer.json()["detail"]) > 30


def test_file_that_cannot_be_made_does_not_touch_a_stream(
    tmp_path: Path, gateway: StartGateway, upstream: ScriptedUpstream
) -> None:
    """Streams go on, records wait, and are written when the way is free."""
    place = tmp_path / "file-in-the-way"
    place.write_text("no directory: nothing can be made below it")
    store = toml_table("store", {"url": f"sqlite:///{place}/exchanges.db", "flush": "50ms"})
    running = gateway(store + route_to(upstream.url))
    wait_until(lambda: "cannot be written" in running.stderr(), 5, "the failure, before there is a record")
    whole(running, "/whole")
    wait_until(lambda: running.admin("/-/store").json()["error"], 5, "the failure")
    answer = running.admin("/-/exchanges.csv")
    assert answer.status == 503
    assert "nothing has been written yet" in answer.json()["detail"]
    whole(running, "/whole")
    assert {line["outcome"] for line in running.log_lines()} == {"complete"}
    place.unlink()
    wait_until(lambda: len(rows(running)) == 2, 15, "both rows")
    assert running.stderr().count("cannot be written") == 1


@pytest.mark.foreign
def test_database_that_restarts_does_not_touch_a_stream(
    postgres: Postgres, gateway: StartGateway, upstream: ScriptedUpstream
) -> None:
    """PostgreSQL is killed and comes back: the stream goes on, every row is there, once, and no password is seen."""
    postgres.sql("DROP TABLE IF EXISTS exchanges, slowgate_schema")
    running = gateway(toml_table("store", {"url": postgres.url, "flush": "50ms"}) + route_to(upstream.url))
    whole(running, "/whole")
    wait_until(lambda: len(rows(running)) == 1, 5, "the first row")
    with asked(running, "/endless") as client:
        client.read_until_head()
        with postgres.away():
            whole(running, "/whole")
            wait_until(lambda: running.admin("/-/store").json()["error"], 10, "the failure")
            assert running.admin("/-/exchanges.json").status == 503
            assert running.admin("/-/ready").json()["streams"] == 1
            told = running.admin("/-/store").text
        wait_until(lambda: len(rows(running)) == 2, 20, "the row of the outage")
        assert running.admin("/-/ready").json()["streams"] == 1
    wait_until(lambda: len(rows(running)) == 3, 10, "the stream's row")
    assert sorted(row["id"] for row in rows(running)) == sorted(line["id"] for line in running.log_lines())
    assert "s3cretpassword" not in told + running.output() + running.admin("/-/exchanges.json").text


@pytest.mark.foreign
def test_client_that_leaves_ends_a_query_that_has_no_row_yet(postgres: Postgres, gateway: StartGateway) -> None:
    """PostgreSQL is told to stop looking, and the place of the export is free again."""
    postgres.sql("DROP TABLE IF EXISTS exchanges, slowgate_schema")
    running = gateway(toml_table("store", {"url": postgres.url}) + route_to("http://127.0.0.1:9"))
    wait_until(lambda: running.admin("/-/exchanges.csv").status == 200, 10, "the schema")
    looking = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%exchanges%'"

    def hold() -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            postgres.sql("BEGIN; LOCK TABLE exchanges; SELECT pg_sleep(30)")

    holder = threading.Thread(target=hold)
    holder.start()
    sleeping = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    wait_until(lambda: postgres.sql(f"SELECT count(*) {sleeping}") == "1", 10, "the lock")
    try:
        with socket.create_connection(running.admin_address) as client:
            client.sendall(b"GET /-/exchanges.csv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            wait_until(lambda: postgres.sql(looking) == "1", 5, "the query")
            assert running.admin("/-/store").json()["exports"] == 1
        wait_until(lambda: postgres.sql(looking) == "0", 5, "the end of the query")
        assert running.admin("/-/store").json()["exports"] == 0
    finally:
        postgres.sql(f"SELECT pg_terminate_backend(pid) {sleeping}")
        holder.join(10)
