"""The row that a record becomes."""

import json
from typing import get_args

import pytest
from support.records import A_TRY, a_record

from gateway.observe.record import Record
from gateway.settings.store import Column
from gateway.store.schema import COLUMNS, KEY, TOLD, Value, rows_by


def row(record: Record, *, query_strings: bool = False, leave_out: frozenset[str] = frozenset()) -> dict[str, Value]:
    values = rows_by(query_strings, leave_out)(record)
    return dict(zip(COLUMNS[len(KEY) :], values, strict=True))


def test_row_has_all_that_the_record_has() -> None:
    """Member by member, attempts as JSON with how each ended."""
    failed = A_TRY._replace(status=None, failure="connect_refused", detail="port 9000")
    record = a_record(tries=(failed, A_TRY), principal="tenant-a", prompt_tokens=3, pings=2)
    found = row(record)
    assert {name: found[name] for name in ("id", "principal", "prompt_tokens", "pings", "attempts")} == {
        "id": "id-0",
        "principal": "tenant-a",
        "prompt_tokens": 3,
        "pings": 2,
        "attempts": 2,
    }
    told = json.loads(str(found["tries"]))
    assert [each["failure"] for each in told] == ["connect_refused", None]
    assert set(found) == set(Record._fields) - {"time"} | {"attempts"}


@pytest.mark.parametrize(("kept", "target"), [(False, "/demo/text"), (True, "/demo/text?key=***")])
def test_query_is_kept_only_where_asked_for(kept: bool, target: str) -> None:
    """And then without its values."""
    assert row(a_record(), query_strings=kept)["target"] == target


@pytest.mark.parametrize("name", get_args(Column))
def test_column_left_out_stays_empty(name: str) -> None:
    """What is stored is chosen."""
    record = a_record(principal="p", detail="d", upstream_request_id="u")
    assert row(record)[name] is not None
    assert row(record, leave_out=frozenset({name}))[name] is None


def test_columns_that_can_be_left_out_are_told() -> None:
    """The settings name no column that there is not."""
    assert set(TOLD) > set(get_args(Column))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a\0b", "a b"), ("half \ud800", "half ?"), ("grüße", "grüße"), (10**30, 2**63 - 1), (-(10**30), 2**63 - 1)],
)
def test_value_that_no_database_takes_is_made_one(value: object, expected: object) -> None:
    """One strange client cannot hold up the rows of all others."""
    assert row(a_record(id=value))["id"] == expected
