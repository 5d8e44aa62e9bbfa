"""An export reads what it was asked for, as fast as its reader takes it, and ends by its cut where it cannot go on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from support.records import END, a_record
from support.waiting import until

from gateway.delivery.courier import Away
from gateway.store import keeping
from gateway.store.database import Database, Empty, _make_file
from gateway.store.encoding import ENCODINGS
from gateway.store.export import Export, ReaderGone
from gateway.store.filters import parse_filters
from gateway.store.keeping import MOST_EXPORTS, Store, TooMany
from gateway.store.lane import Lane
from gateway.store.plan import StorePlan
from gateway.store.rows import Rows

RECORDS = [
    a_record(0, time=END, route="a", principal="x"),
    a_record(1, time=END + 1, route="b", status=503, outcome="failed"),
    a_record(2, time=END + 2, route="b", principal="y", status=None, outcome="client_gone"),
    a_record(3, time=END + 3, route="c", principal="x", status=404, outcome="rejected"),
]


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store with the four records."""
    rows = Rows(Database(url), StorePlan(""), 1)
    rows.write(list(enumerate(RECORDS)))
    rows.close()
    made = Store(StorePlan(url, keep_seconds=None))
    yield made
    made.close(1.0)


def exported(store: Store, *parameters: tuple[str, str]) -> list[dict[str, Any]]:
    running = store.export("ndjson", parameters, lambda: False)
    return [json.loads(line) for line in b"".join(running.chunks()).splitlines()]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([], [0, 1, 2, 3]),
        ([("since", "2023-11-14T22:13:21.25Z")], [1, 2, 3]),
        ([("until", "2023-11-14T22:13:21.25Z")], [0]),
        ([("route", "b")], [1, 2]),
        ([("route", "a"), ("route", "c")], [0, 3]),
        ([("principal", "x")], [0, 3]),
        ([("outcome", "failed"), ("outcome", "client_gone")], [1, 2]),
        ([("status", "4xx"), ("status", "503")], [1, 3]),
        ([("status", "none")], [2]),
        ([("limit", "2")], [0, 1]),
        ([("route", "b"), ("status", "none")], [2]),
        ([("route", "b' OR 1=1 --")], []),
    ],
)
def test_filters_choose_the_rows(store: Store, parameters: list[tuple[str, str]], expected: list[int]) -> None:
    """All conditions hold, of one kind any; rows come in the order of time."""
    assert [row["id"] for row in exported(store, *parameters)] == [f"id-{number}" for number in expected]


def test_exports_beyond_the_bound_are_refused_until_one_ends(store: Store) -> None:
    """An export holds a connection; closing it, however often, frees one place."""
    running = [store.export("csv", [], lambda: False) for _ in range(MOST_EXPORTS)]
    with pytest.raises(TooMany):
        store.export("csv", [], lambda: False)
    running[0].close()
    running[0].close()
    assert store.snapshot()["exports"] == MOST_EXPORTS - 1
    assert len(exported(store)) == 4
    for each in running:
        each.close()


@pytest.mark.parametrize("file", [False, True])
def test_database_that_nobody_has_written_to_says_so(url: str, file: bool) -> None:
    """In plain words and before anything is sent, so that there can still be a status. Reading makes no file."""
    database = Database(url)
    if file and database.is_sqlite:
        _make_file(Path(url.removeprefix("sqlite:///")))  # As a writer leaves it that is about to make its table.
    export = Export(database, Lane(1 if database.is_sqlite else 0), ENCODINGS["csv"](), lambda: False, 5.0)
    with pytest.raises(Empty, match=r"^nothing has been written yet: the database has no (file|table of exchanges)$"):
        export.begin(parse_filters([], END))
    export.close()
    assert not database.is_sqlite or Path(url.removeprefix("sqlite:///")).exists() == file


def test_database_that_cannot_be_written_says_why_there_is_nothing(tmp_path: Path) -> None:
    """Waiting would not help there."""
    (tmp_path / "in-the-way").write_text("no directory")
    store = Store(StorePlan(f"sqlite:///{tmp_path}/in-the-way/x.db", flush_seconds=3600))
    until(lambda: store.snapshot()["error"])
    with pytest.raises(Empty, match=r"^nothing has been written yet: .*; it cannot be written: \w+Error: "):
        store.export("csv", [], lambda: False)
    assert store.snapshot()["exports"] == 0
    store.close(1.0)


def test_place_that_cannot_be_looked_at_is_an_outage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a directory of somebody else's: it is told like any other trouble with the database."""

    def not_ours(path: Path, **_: Any) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", not_ours)
    with pytest.raises(Away, match=r"^PermissionError: "):
        Database(f"sqlite:///{tmp_path}/x.db").open_for_reading()


def test_error_in_the_middle_is_raised_where_the_rows_end(url: str) -> None:
    """What was read is there, the end is not; the place is free again."""
    database = Database(url)
    rows = Rows(database, StorePlan(""), 1)
    rows.write([(number, a_record(number)) for number in range(1000)])
    rows.close()
    store = Store(StorePlan(url, keep_seconds=None))
    running = store.export("json", [], lambda: False)
    chunks = iter(running.chunks())
    first = next(chunks)
    running.export._result.close()  # type: ignore[union-attr]
    with pytest.raises(Away):
        b"".join(chunks)
    assert first.startswith(b"[\n{")
    assert store.snapshot()["exports"] == 0
    store.close(1.0)


def test_reader_that_leaves_cancels_a_query_that_still_looks(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one thread there is is free again long before the query would have ended."""
    monkeypatch.setattr(keeping, "MOST_EXPORTS", 1)
    url = f"sqlite:///{tmp_path}/exchanges.db"
    Database(url).open().close()
    store = Store(StorePlan(url, keep_seconds=None))
    slow = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000000) SELECT max(x) FROM n"

    @event.listens_for(store._database.engine, "before_cursor_execute", retval=True)
    def slower(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> Any:
        return (slow, ()) if "FROM exchanges" in statement else (statement, parameters)

    with pytest.raises(ReaderGone):
        store.export("csv", [], lambda: True)
    assert store._reading.begin(lambda: True).wait(5)
    assert store.snapshot()["exports"] == 0
    store.close(1.0)
