"""/text     slow text, one line after another
    n=10 (1..1000000)  delay=200 ms before each line but the first  framing=chunked|length|close
    curl -N '{base}/text?n=5&delay=500&framing=length'

/csv      a large table, made while it is sent
    rows=100000 (1..100000000)  every=1000 rows come together  delay=0 ms between them
    curl -N '{base}/csv?rows=50&every=5&delay=500'

/ndjson   one JSON object a line
    n=10 (1..1000000)  pace=200 ms
    curl -N '{base}/ndjson?n=5&pace=500'

/gzip     text compressed as it comes, each piece flushed (Content-Encoding: gzip)
    n=10 (1..100000)  delay=200 ms
    curl -N --compressed '{base}/gzip?n=5&delay=500'
"""

import json
import zlib
from collections.abc import Iterator

from flask import Blueprint, Response

from gateway.demo.connection import Connection, connection
from gateway.demo.parameters import parameters

pages = Blueprint("lines", __name__)

FRAMINGS = ("chunked", "length", "close")


def text_line(number: int) -> bytes:
    """Return line ``number`` of ``/text`` and ``/gzip``, counted from 1."""
    return f"line {number}: the slow upstream is still talking\n".encode()


def csv_row(number: int) -> str:
    """Return row ``number`` of ``/csv``, counted from 1."""
    return f"{number},item-{number:09d},{number * 7919 % 100_000 / 100:.2f},2026-01-{number % 28 + 1:02d}\n"


def paced(pieces: Iterator[bytes], seconds: float, wire: Connection) -> Iterator[bytes]:
    """Yield ``pieces`` with a pause before each but the first."""
    for index, piece in enumerate(pieces):
        if index:
            wire.pause(seconds)
        yield piece


@pages.get("/text")
def text() -> Response:
    """Slow text in the framing asked for."""
    with parameters() as asked:
        n = asked.number("n", 10, least=1, most=1_000_000)
        seconds = asked.seconds("delay", 200)
        framing = asked.choice("framing", FRAMINGS)
    wire = connection()
    response = Response(paced(map(text_line, range(1, n + 1)), seconds, wire), mimetype="text/plain")
    if framing == "length":
        response.content_length = sum(len(text_line(number)) for number in range(1, n + 1))
    elif framing == "close":
        wire.end_by_close()
    return response


@pages.get("/csv")
def csv() -> Response:
    """A generated table of any size, in constant memory."""
    with parameters() as asked:
        rows = asked.number("rows", 100_000, least=1, most=100_000_000)
        every = asked.number("every", 1000, least=1, most=10_000)
        seconds = asked.seconds("delay", 0)

    def pieces() -> Iterator[bytes]:
        yield b"id,name,price,day\n"
        for first in range(1, rows + 1, every):
            yield "".join(map(csv_row, range(first, min(first + every, rows + 1)))).encode()

    response = Response(paced(pieces(), seconds, connection()), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="items.csv"'
    return response


@pages.get("/ndjson")
def ndjson() -> Response:
    """One JSON object a line."""
    with parameters() as asked:
        n = asked.number("n", 10, least=1, most=1_000_000)
        seconds = asked.seconds("pace", 200)
    rows = (json.dumps({"id": number, "of": n, "text": f"row {number}"}).encode() + b"\n" for number in range(1, n + 1))
    return Response(paced(rows, seconds, connection()), mimetype="application/x-ndjson")


@pages.get("/gzip")
def gzip() -> Response:
    """Text compressed as it comes; every piece can be read as soon as it is there."""
    with parameters() as asked:
        n = asked.number("n", 10, least=1, most=100_000)
        seconds = asked.seconds("delay", 200)

    def pieces() -> Iterator[bytes]:
        packer = zlib.compressobj(wbits=31)  # 31: the largest window, in gzip's format
        for number in range(1, n + 1):
            yield packer.compress(text_line(number)) + packer.flush(zlib.Z_SYNC_FLUSH)
        yield packer.flush()

    response = Response(paced(pieces(), seconds, connection()), mimetype="text/plain")
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    return response
