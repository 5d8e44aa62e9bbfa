"""/delay/<ms>      one answer, after a silence before the head (0..600000)
    curl -i '{base}/delay/3000'

/status/<code>   an answer of that status (200..599); Location with 3xx, Retry-After with 429 and 503
    curl -i '{base}/status/503'

/cut      an answer that breaks
    after=100 octets of the body (0..1GiB)  delay=0 ms before it breaks
    how=reset          chunked, then RST
        close          chunked, then FIN without the last chunk
        inside-chunk   FIN amid a chunk
        broken-chunk   a chunk size that is no number, then FIN
        short-length   Content-Length promises 1000 octets more, then FIN
        no-head        FIN before any octet of an answer
    curl -i '{base}/cut?after=50&how=short-length'

/stall    an answer that falls silent
    after=3 chunks (0..1000000)  s=30 seconds (0..600)  n=6 chunks in all  pace=100 ms
    curl -N '{base}/stall?after=2&s=5'
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import NoReturn

from flask import Blueprint, Response

from gateway.demo.connection import Connection, connection
from gateway.demo.parameters import MOST_MILLISECONDS, BadParameter, parameters

pages = Blueprint("faults", __name__)

WAYS = ("reset", "close", "inside-chunk", "broken-chunk", "short-length", "no-head")
_PIECE_OCTETS = 4096
_MISSING_OCTETS = 1000
_NO_BODY = {204, 304}


@pages.get("/delay/<int:milliseconds>")
def delay(milliseconds: int) -> Response:
    """An answer that lets itself be waited for."""
    with parameters():
        if milliseconds > MOST_MILLISECONDS:
            raise BadParameter(f"/delay/<ms>: expected at most {MOST_MILLISECONDS}, found {milliseconds}")
    connection().pause(milliseconds / 1000)
    return Response(f"answered after {milliseconds} ms\n", mimetype="text/plain")


@pages.route("/status/<int:code>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def status(code: int) -> Response:
    """An answer of the status asked for."""
    with parameters():
        if not 200 <= code <= 599:
            raise BadParameter(f"/status/<code>: expected a final status from 200 to 599, found {code}")
    reason = HTTPStatus(code).phrase if code in set(HTTPStatus) else "Unnamed"
    response = Response(b"" if code in _NO_BODY or code == 205 else f"{code} {reason}\n", mimetype="text/plain")
    response.status = f"{code} {reason}"
    if 300 <= code < 400 and code != 304:
        response.headers["Location"] = "/status/200"
        response.autocorrect_location_header = False
    if code in (429, 503):
        response.headers["Retry-After"] = "1"
    return response


@pages.get("/cut")
def cut() -> Response:
    """An answer that breaks in the way asked for."""
    with parameters() as asked:
        after = asked.number("after", 100, most=2**30)
        how = asked.choice("how", WAYS)
        seconds = asked.seconds("delay", 0)
    wire = connection()

    def body() -> Iterator[bytes]:
        if how != "no-head":
            yield b""  # the head goes out, also when no octet follows it
            for start in range(0, after, _PIECE_OCTETS):
                yield b"." * min(_PIECE_OCTETS, after - start)
        if seconds:
            wire.pause(seconds)
        _break(wire, how)

    response = Response(body(), mimetype="text/plain")
    if how == "short-length":
        response.content_length = after + _MISSING_OCTETS
    return response


def _break(wire: Connection, how: str) -> NoReturn:
    if how == "inside-chunk":
        wire.send_raw(b"64\r\n" + b"." * 50)
    elif how == "broken-chunk":
        wire.send_raw(b"xyz\r\n")
    wire.cut(reset=how == "reset")


@pages.get("/stall")
def stall() -> Response:
    """An answer that falls silent midway, and then goes on."""
    with parameters() as asked:
        after = asked.number("after", 3, most=1_000_000)
        silent_seconds = asked.number("s", 30, most=600)
        n = asked.number("n", 6, least=1, most=1_000_000)
        seconds = asked.seconds("pace", 100)
    wire = connection()

    def body() -> Iterator[bytes]:
        yield b""
        for number in range(n):
            wire.pause(silent_seconds if number == after else seconds if number else 0)
            yield f"chunk {number + 1} of {n}\n".encode()

    return Response(body(), mimetype="text/plain")
