"""Slow text, tables, JSON lines and compressed text arrive in time and whole."""

import http.client
import json
import zlib
from collections.abc import Callable
from contextlib import closing

import pytest
from support.demo_process import DemoUpstream
from support.rude_client import RawResponse, RudeClient

Ask = Callable[..., RawResponse]


def arrival_of(response: RawResponse, octets: bytes) -> float:
    """Return when ``octets`` had arrived with all before them."""
    seen = b""
    for seconds, piece in response.pieces:
        seen += piece
        if octets in seen:
            return seconds
    raise AssertionError(f"{octets!r} did not come")


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_text_arrives_line_by_line_in_every_framing(ask: Ask, framing: str, version: str) -> None:
    """Each line comes when it is sent, 200 ms after the one before, and the body comes whole."""
    response = ask(f"/text?n=4&delay=200&framing={framing}", version=version)
    times = [arrival_of(response, b"line %d:" % number) for number in (1, 2, 3, 4)]
    assert response.head_seconds < 0.15
    assert all(0.2 * index - 0.01 <= seconds < 0.2 * index + 0.15 for index, seconds in enumerate(times)), times
    assert response.complete
    assert response.body.count(b"\n") == 4


@pytest.mark.parametrize(
    ("framing", "version", "fields", "ending"),
    [
        ("chunked", "HTTP/1.1", {"transfer-encoding": "chunked"}, "complete"),
        ("length", "HTTP/1.1", {"content-length": "86"}, "complete"),
        ("close", "HTTP/1.1", {"connection": "close"}, "eof"),
        ("chunked", "HTTP/1.0", {"connection": "close"}, "eof"),
        ("length", "HTTP/1.0", {"content-length": "86"}, "complete"),
    ],
)
def test_text_is_framed_as_asked(ask: Ask, framing: str, version: str, fields: dict[str, str], ending: str) -> None:
    """One framing stands in the head, and no other; HTTP/1.0 never gets chunks."""
    response = ask(f"/text?n=2&delay=0&framing={framing}", "Connection: keep-alive", version=version)
    found = {name.lower(): value for name, value in response.fields}
    shown = {name: found[name] for name in ("transfer-encoding", "content-length") if name in found}
    shown |= {name: found[name] for name in fields if name in found}
    assert (shown, response.ending) == (fields, ending)


def test_head_request_gets_the_fields_and_the_connection_stays_usable(client: RudeClient) -> None:
    """An answer to HEAD has no octet behind its head, also where GET would be chunked."""
    client.send(b"HEAD /text HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.read_response(method="HEAD").status == 200
    assert client.get("/text?n=1").read_response().body == b"line 1: the slow upstream is still talking\n"


def test_csv_is_a_table_with_all_its_rows(ask: Ask) -> None:
    """Rows come in groups, paced, complete."""
    response = ask("/csv?rows=7&every=3&delay=100")
    header, *rows = response.body.decode().splitlines()
    assert header == "id,name,price,day"
    assert [row.split(",")[0] for row in rows] == list("1234567")
    assert arrival_of(response, b"\n4,") - arrival_of(response, b"\n1,") >= 0.09


def test_csv_of_any_size_takes_no_memory(ask: Ask, demo_upstream: DemoUpstream) -> None:
    """A table of 40 MB leaves the server's memory flat while it is sent."""
    ask("/csv?rows=1000")
    before, most, lines = demo_upstream.rss_kib(), 0, 0
    with closing(http.client.HTTPConnection(*demo_upstream.address, timeout=30)) as connection:
        connection.request("GET", "/csv?rows=1000000")
        response = connection.getresponse()
        while piece := response.read(2**20):
            lines += piece.count(b"\n")
            most = max(most, demo_upstream.rss_kib())
    assert lines == 1_000_001
    assert most - before < 8 * 1024


def test_ndjson_is_one_object_a_line(ask: Ask) -> None:
    """Each line parses by itself and comes at its time."""
    response = ask("/ndjson?n=3&pace=150")
    assert [json.loads(line)["id"] for line in response.body.splitlines()] == [1, 2, 3]
    assert arrival_of(response, b'"id": 3') >= 0.29


def test_gzip_pieces_can_be_read_as_they_come(ask: Ask) -> None:
    """Every piece holds what was written so far, and the whole is a whole gzip file."""
    response = ask("/gzip?n=3&delay=150")
    unpacker, lines = zlib.decompressobj(wbits=31), []
    for seconds, piece in response.pieces:
        lines += [(seconds, line) for line in unpacker.decompress(piece).splitlines()]
    assert response.first("content-encoding") == "gzip"
    assert [line.split(b":")[0] for _, line in lines] == [b"line 1", b"line 2", b"line 3"]
    assert lines[1][0] - lines[0][0] >= 0.14
    assert unpacker.eof
