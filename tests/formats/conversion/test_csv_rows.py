"""NDJSON and JSON to CSV: a header, then the chosen columns of each object."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.conversions import Made, converted

from gateway.formats.conversion.fault import Why

COLUMNS = ("id", "user.name", "tags")


@pytest.mark.parametrize(
    ("record", "row"),
    [
        ('{"id":1,"user":{"name":"Ada"},"tags":["a","b"]}', '1,Ada,"[""a"",""b""]"'),
        ('{"id":null,"user":{},"tags":{}}', ",,{}"),
        ('{"user":"x"}', ",,"),
        ('{"user":{"name":{"c":"A","n":[1.50,1e400,null,true]}}}', ',"{""c"":""A"",""n"":[1.50,1e400,null,true]}",'),
        ('{"id":true,"tags":false}', "true,,false"),
        ('{"id":12345678901234567890123,"tags":-0.10}', "12345678901234567890123,,-0.10"),
        ('{"id":"a,b","tags":"say \\"x\\""}', '"a,b",,"say ""x"""'),
        ('{"id":"two\\nlines","tags":"é"}', '"two\nlines",,é'),
        ('{"id":"","tags":"\\ud83d\\ude00"}', ",,😀"),
        ('{"id":"\\ud800!"}', "\ufffd!,,"),
        ("{}", ",,"),
        ('{"id":"=1+1"}', "=1+1,,"),
    ],
)  # fmt: skip
def test_each_object_becomes_a_row(record: str, row: str) -> None:
    """Missing is empty, text is itself, numbers keep their digits, what is nested is JSON."""
    assert converted("ndjson", "csv", record.encode() + b"\n", columns=COLUMNS) == Made(
        f"id,user.name,tags\r\n{row}\r\n".encode()
    )


def test_no_record_at_all_gives_the_header_alone() -> None:
    """Who reads it learns the columns."""
    assert converted("json", "csv", b"[]", columns=COLUMNS) == Made(b"id,user.name,tags\r\n")
    assert converted("ndjson", "csv", columns=COLUMNS) == Made(b"id,user.name,tags\r\n")


def test_header_comes_once() -> None:
    """In front of the first row, also where there are many."""
    assert converted("json", "csv", b'[{"a":1}', b',{"a":2},{"a":3}]', columns=("a",)) == Made(b"a\r\n1\r\n2\r\n3\r\n")


def test_single_empty_column_is_no_blank_line() -> None:
    """A blank line would be no record to many readers."""
    assert converted("json", "csv", b"[{}]", columns=("a",)).octets == b'a\r\n""\r\n'


@pytest.mark.parametrize("record", ["1", "[1]", '"x"', "null"])
def test_record_without_members_fails(record: str) -> None:
    """An empty row would hide it."""
    made = converted("json", "csv", f'[{{"a":1}},{record}]'.encode(), columns=("a",))

    assert made == Made(b"a\r\n1\r\n", Why.MALFORMED, "record 2: not an object, which alone has columns")


def test_error_in_the_place_of_a_record_is_not_an_empty_row() -> None:
    """CSV has no words for it, so that the exchange fails; unless the columns show it."""
    body = b'{"a":1}\n{"error":{"code":"no"}}\n'

    assert converted("ndjson", "csv", body, columns=("a",)) == Made(
        b"a\r\n1\r\n", Why.ERROR, "record 2: an error, which CSV has no words for"
    )
    assert converted("ndjson", "csv", body, columns=("a", "error.code")) == Made(b"a,error.code\r\n1,\r\n,no\r\n")


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(st.dictionaries(st.sampled_from(["id", "tags", "x"]), _TEXT), max_size=6))
def test_rows_are_read_back_by_the_csv_module(records: list[dict[str, str]]) -> None:
    """Any text, with quotes, commas and line breaks, comes back as it was."""
    body = "".join(json.dumps(record) + "\n" for record in records)

    made = converted("ndjson", "csv", body.encode(), columns=COLUMNS)

    rows = list(csv.reader(io.StringIO(made.octets.decode(), newline="")))
    assert rows == [list(COLUMNS), *([record.get("id", ""), "", record.get("tags", "")] for record in records)]
