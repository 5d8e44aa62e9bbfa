"""Rows as CSV, NDJSON and JSON."""

import csv
import io
import json

import pytest

from gateway.store.encoding import ENCODINGS
from gateway.store.schema import TOLD


def a_row(**members: object) -> tuple[object, ...]:
    values = {"time": 1_700_000_000_007, "status": 200, "tries": '[{"status":200}]', **members}
    return tuple(values.get(name) for name in TOLD)


def whole(form: str, *batches: list[tuple[object, ...]]) -> str:
    encoding = ENCODINGS[form]()
    return b"".join([encoding.head(), *map(encoding.rows, batches), encoding.tail()]).decode()


NASTY = 'a "quoted", cell\r\nof two lines; grüße'


def test_csv_is_read_back_as_it_was() -> None:
    """RFC 4180: a header, lines that end in CRLF, quotes where they are needed, and nothing where there is nothing."""
    text = whole("csv", [a_row(detail=NASTY)], [a_row(route="b")])
    assert text.startswith(",".join(TOLD) + "\r\n")
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert (first["time"], first["status"], first["detail"]) == ("2023-11-14T22:13:20.007Z", "200", NASTY)
    assert (first["tries"], first["failure"], second["route"]) == ('[{"status":200}]', "", "b")


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_json_is_read_back_as_it_was(form: str) -> None:
    """Every column is a member, attempts are objects, and a batch more makes no difference."""
    text = whole(form, [a_row(detail=NASTY), a_row()], [a_row(tries=None)])
    rows = json.loads(text) if form == "json" else [json.loads(line) for line in text.splitlines()]
    assert [row["tries"] for row in rows] == [[{"status": 200}], [{"status": 200}], []]
    assert list(rows[0]) == list(TOLD)
    assert (rows[0]["detail"], rows[0]["failure"]) == (NASTY, None)


@pytest.mark.parametrize(("form", "expected"), [("csv", ",".join(TOLD) + "\r\n"), ("ndjson", ""), ("json", "[\n]\n")])
def test_export_of_nothing_is_whole_all_the_same(form: str, expected: str) -> None:
    """No rows: a header alone, no line, an empty array."""
    assert whole(form) == expected


def test_array_that_was_cut_is_no_json() -> None:
    """Without its tail nobody takes it for whole."""
    encoding = ENCODINGS["json"]()
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(encoding.head() + encoding.rows([a_row()]))
