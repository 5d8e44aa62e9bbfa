"""EventSource through the gateway, a browser's and npm's: it opens, hears each event, notices a cut, and resumes."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.browser import Tab
from support.children import Program
from support.gateway_process import Gateway
from support.scripted_upstream import Script, ScriptedUpstream, Step, chunk, play, read_request
from support.tap import Tap

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
"""Tells an EventSource to stop (WHATWG HTML 9.2.3)."""

Staged = Callable[[Script], ScriptedUpstream]
Listen = Callable[[str], Program | Tab]


def event(number: int) -> bytes:
    """Return an event with an id."""
    return b"id: %d\ndata: %d\n\n" % (number, number)


def heard(number: int) -> dict[str, Any]:
    """Return what is reported of ``event(number)``."""
    return {"event": "message", "data": str(number), "id": str(number)}


def test_source_opens_at_once_and_hears_each_event_before_the_next_exists(
    listen: Listen, staged: Staged, one_gateway: Gateway
) -> None:
    """`open` comes with the head, before any octet of a body; each event comes alone."""
    staged(tap := Tap("text/event-stream"))
    with listen(one_gateway.url + "/staged/events") as source:
        assert source.report() == {"open": True}
        for number in range(1, 4):
            tap.send(event(number))
            assert source.report() == heard(number)


def test_source_that_is_closed_ends_at_the_upstream(listen: Listen, staged: Staged, one_gateway: Gateway) -> None:
    """`close()` ends the upstream's connection within a second, though it is silent."""
    upstream = staged(Tap("text/event-stream"))
    with listen(one_gateway.url + "/staged/events") as source:
        assert source.report() == {"open": True}
        source.tell("leave")
        upstream.wait_until(lambda seen: seen.open_connections == 0, timeout=1.5)


@pytest.mark.parametrize("ends", [True, False], ids=["end", "cut"])
def test_source_resumes_behind_the_event_it_heard_last(
    listen: Listen, staged: Staged, one_gateway: Gateway, ends: bool
) -> None:
    """After a cut as after an end there is an `error`, and the next request has the id of the last event; 204 stops it.

    An event that was half said when the connection was cut is not heard.
    """
    heard_all = threading.Event()  # a cut may take with it what was not heard yet
    first = [HEAD, *map(chunk, [b"retry: 50\n\n", event(1), event(2), b"id: 3\ndata: half"])]
    turns: Iterator[list[Step]] = iter(
        [
            [*first, lambda _: heard_all.wait(10), *[chunk(b"")] * ends],
            [HEAD, chunk(event(3)), chunk(b"")],
            [NO_CONTENT],
        ]
    )
    upstream = staged(lambda connection: play([read_request, *next(turns)], connection))
    seen = len(upstream.requests)
    with listen(one_gateway.url + "/staged/events") as source:
        told = [source.report() for _ in range(3)]
        heard_all.set()
        told += [source.report() for _ in range(5)]
    assert told == [
        *[{"open": True}, heard(1), heard(2), {"again": True}],
        *[{"open": True}, heard(3), {"again": True}],
        {"again": False},
    ]
    assert [request.first("last-event-id") for request in upstream.requests[seen:]] == [None, "2", "3"]


def test_stream_of_the_demo_upstream_is_heard_whole_over_its_cuts(listen: Listen, one_gateway: Gateway) -> None:
    """Ten events, with pings between them and a cut after each third, come each once and in order."""
    with listen(one_gateway.url + "/sse?n=10&pace=20&ping=5&retry=20&cut=3") as source:
        numbers = []
        while (told := source.report()) != {"again": False}:
            numbers += [json.loads(told["data"])["id"]] if told.get("event") == "tick" else []
    assert numbers == list(range(1, 11))


def test_answer_that_is_no_event_stream_is_an_error_for_good(listen: Listen, one_gateway: Gateway) -> None:
    """A 502 of the gateway does not open, and a source does not come back to it."""
    with listen(one_gateway.url + "/nobody/events") as source:
        assert source.report() == {"again": False}
