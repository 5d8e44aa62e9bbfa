"""/sse      server-sent events with ids; goes on after Last-Event-ID, and answers 204 when there is nothing after it
    n=10 (1..1000000)  pace=500 ms  ping=MS: a comment in each silence, every so often  retry=MS: reconnection time
    cut=N: break the connection after N events of this answer
    curl -N '{base}/sse?n=5&ping=200'
    curl -N -H 'Last-Event-ID: 3' '{base}/sse?n=5'

/page     a web page (Jinja template) that arrives row by row
    n=10 (1..10000)  delay=200 ms
    curl -N '{base}/page?n=5&delay=500'
"""

import json
import re
from collections.abc import Iterator

from flask import Blueprint, Response, request, stream_template

from gateway.demo.connection import Connection, connection
from gateway.demo.parameters import MOST_MILLISECONDS, BadParameter, parameters

pages = Blueprint("events", __name__)

_EVENT_ID = re.compile(r"[0-9]{1,9}", re.ASCII)


def _last_event_id() -> int:
    """Return the number of the last event the client saw, 0 for none."""
    text = request.headers.get("Last-Event-ID", "")
    if text and not _EVENT_ID.fullmatch(text):
        raise BadParameter(f"Last-Event-ID: expected an id of this stream (a number), found {text!r}")
    return int(text or 0)


def _silence(seconds: float, ping_seconds: float | None, wire: Connection) -> Iterator[bytes]:
    """Wait, with a comment every ``ping_seconds`` of the wait where they are asked for."""
    while ping_seconds and seconds > ping_seconds:
        wire.pause(ping_seconds)
        seconds -= ping_seconds
        yield b": ping\n\n"
    wire.pause(seconds)


@pages.get("/sse")
def sse() -> Response:
    """Events with ids, that a client can resume."""
    with parameters() as asked:
        n = asked.number("n", 10, least=1, most=1_000_000)
        seconds = asked.seconds("pace", 500)
        ping = asked.optional_number("ping", least=1, most=MOST_MILLISECONDS)
        retry = asked.optional_number("retry", most=MOST_MILLISECONDS)
        cut = asked.optional_number("cut", most=1_000_000)
    wire, first = connection(), _last_event_id() + 1
    if first > n:
        return Response(status=204)  # tells an EventSource to stop reconnecting (WHATWG HTML 9.2.3)

    def events() -> Iterator[bytes]:
        yield f"retry: {retry}\n\n".encode() if retry is not None else b""
        for number in range(first, n + 1):
            if number - first == cut:
                wire.cut(reset=False)
            if number > first:
                yield from _silence(seconds, ping and ping / 1000, wire)
            data = json.dumps({"id": number, "of": n})
            yield f"id: {number}\nevent: tick\ndata: {data}\n\n".encode()

    return Response(events(), mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})


@pages.get("/page")
def page() -> Response:
    """A template that is rendered while it is sent."""
    with parameters() as asked:
        n = asked.number("n", 10, least=1, most=10_000)
        seconds = asked.seconds("delay", 200)
    wire = connection()

    def rows() -> Iterator[dict[str, object]]:
        for number in range(1, n + 1):
            wire.pause(seconds)
            yield {"number": number, "name": f"<item {number}>"}

    return Response(stream_template("page.html", rows=rows(), total=n), mimetype="text/html")
