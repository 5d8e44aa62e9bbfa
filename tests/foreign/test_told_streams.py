"""What real clients make of streams that the gateway keeps alive, ends, or tells to have failed.

The law: with `complete = "terminal"` no client reports success for an answer that is not whole.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from support.api_events import APIS, PING, Api, written
from support.browser import Tab
from support.children import Program
from support.gateway_process import Gateway, toml_table
from support.scripted_upstream import Script, ScriptedUpstream, Step, chunk, play, read_request, response
from support.sdk_readers import (
    ANTHROPIC_MESSAGE,
    COMPLETION,
    SDKS,
    Tokens,
    end_of,
    read_completion,
    read_message,
)

StartGateway = Callable[..., Gateway]
Staged = Callable[[Script], ScriptedUpstream]
Listen = Callable[[str], Program | Tab]
ReadOctets = Callable[[str], tuple[str, bool]]

PLAIN_SDKS = ("openai chat", "openai responses", "anthropic")
FORMATS = {
    "chat": "openai",
    "responses": "openai",
    "messages": "anthropic",
    "events": "sse",
    "lines": "ndjson",
    "document": "json",
}
TERMINAL = {"events": ["event:tick"]}
PING_SECONDS = 0.15
SILENT_SECONDS = 1.0
PATIENCE_SECONDS = 0.6
"""How long an SDK waits for octets here: less than the upstream is silent, more than the gateway is."""

TOLD = {"chat": "APIError", "responses": "APIError", "messages": "APIStatusError"}
CUT = {"chat": "APIConnectionError", "responses": "APIConnectionError", "messages": "RemoteProtocolError"}
"""What the SDK of each API raises for a frame, and for a connection that ends too early."""

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
LINES = (b'{"n": 1}\n', b'{"n": 2}\n')


@pytest.fixture(scope="session")
def telling_gateway(session_gateway: StartGateway, stage_upstream: ScriptedUpstream) -> Gateway:
    """A gateway with three routes for each API: /told/ ends with frames, /cut/ cuts, /plain/ looks at nothing."""
    toml = toml_table("upstreams.up", {"endpoints": [stage_upstream.url]})
    for api, format in FORMATS.items():
        seen = {"format": format, "complete": "terminal", "after_terminal": f"{int(PING_SECONDS * 1000)}ms"}
        seen |= {"keepalive": f"{int(PING_SECONDS * 1000)}ms", "grace": f"{int(PING_SECONDS * 1000)}ms"}
        seen |= {"terminal": TERMINAL[api]} if api in TERMINAL else {}
        routes: dict[str, dict[str, Any]] = {
            "told": {"stream": {**seen, "on_error": "frame"}},
            "cut": {"stream": {**seen, "on_error": "abort"}},
            "plain": {},
        }
        for name, settings in routes.items():
            table = {"name": f"{name}-{api}", "path": f"/{name}/{api}/", "upstream": "up", **settings}
            toml += toml_table("[routes]", table)
    return session_gateway(toml)


@pytest.fixture
def serve(staged: Staged, telling_gateway: Gateway) -> Callable[..., str]:
    """Let the upstream say ``steps`` once, and 204 later: ``serve("told", "chat", *steps)``; return the URL."""

    def put_on(route: str, api: str, *steps: Step) -> str:
        turns = iter([steps])
        rest = [b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"]
        staged(lambda connection: play([read_request, *next(turns, rest)], connection))
        return f"{telling_gateway.url}/{route}/{api}"

    return put_on


Serve = Callable[..., str]


def head(api: str) -> bytes:
    """Return the head of a stream of ``api``."""
    return HEAD.format("application/x-ndjson" if api == "lines" else "text/event-stream").encode()


def broken(fault: str, api: Api) -> Iterator[Step]:
    """Yield what an upstream says that does not finish: it ends politely, amid an event, or is cut."""
    body = written(fault, api)
    yield from map(chunk, body.pieces)
    if body.ends:
        yield chunk(b"")


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("route", ["told", "cut"])
@pytest.mark.parametrize("fault", ["unfinished", "unfinished inside an event", "cut", "pinged only"])
def test_answer_that_is_not_whole_is_never_a_success_to_an_sdk(serve: Serve, fault: str, route: str, sdk: str) -> None:
    """Each SDK raises for each kind of unfinished answer; where frames are asked for and fit, it says what happened."""
    name, reader = SDKS[sdk]
    heard: Tokens = []
    url = serve(route, name, head(name), *broken(fault, APIS[name]))
    told = route == "told" and fault != "unfinished inside an event"
    assert end_of(reader, url, heard) == (TOLD if told else CUT)[name]
    assert "".join(heard) == ("" if fault == "pinged only" else "a")


@pytest.mark.parametrize("sdk", PLAIN_SDKS)
def test_silent_upstream_is_waited_for_as_long_as_the_gateway_pings(serve: Serve, sdk: str) -> None:
    """Pings carry an SDK over a silence that it would not bear by itself; the answer is whole."""
    name, reader = SDKS[sdk]
    api = APIS[name]
    first, *rest = (*api.opening, *api.tokens, *api.closing, api.terminal)
    steps = (head(name) + chunk(b"id: 1\n" + first), SILENT_SECONDS, *map(chunk, rest), chunk(b""))
    heard: Tokens = []
    assert end_of(reader, serve("told", name, *steps), heard, seconds=PATIENCE_SECONDS) == "success"
    assert "".join(heard) == "ab"


def test_silence_without_pings_is_more_than_the_sdk_would_wait_for(serve: Serve) -> None:
    """What the test above says is not said of nothing: without pings the same silence is a timeout."""
    steps = (head("chat"), SILENT_SECONDS, chunk(APIS["chat"].terminal), chunk(b""))
    assert end_of(SDKS["openai chat"][1], serve("plain", "chat", *steps), [], seconds=PATIENCE_SECONDS) != "success"


@pytest.mark.parametrize("route", ["told", "cut"])
@pytest.mark.parametrize("sdk", PLAIN_SDKS)
def test_upstream_that_refuses_after_the_head_went_out_is_no_success(serve: Serve, sdk: str, route: str) -> None:
    """Who waited below an early 200 is told of the 503 that came later, by a frame or by a cut."""
    name, reader = SDKS[sdk]
    url = serve(route, name, 3 * PING_SECONDS, response(b"{}", "Connection: close", status="503 Service Unavailable"))
    assert end_of(reader, url, []) == (TOLD if route == "told" else CUT)[name]


DOCUMENT_SDKS = {"openai": (read_completion, COMPLETION), "anthropic": (read_message, ANTHROPIC_MESSAGE)}


@pytest.mark.parametrize("sdk", DOCUMENT_SDKS)
def test_document_that_takes_long_is_waited_for_as_long_as_the_gateway_pings(serve: Serve, sdk: str) -> None:
    """Blanks before the document carry an SDK over the silence before the head; the document is read."""
    read, document = DOCUMENT_SDKS[sdk]
    fields = ("Content-Type: application/json", "Connection: close")
    url = serve("told", "document", SILENT_SECONDS, response(json.dumps(document).encode(), *fields))
    assert read(url, PATIENCE_SECONDS) == "a"


@pytest.mark.parametrize("sdk", DOCUMENT_SDKS)
@pytest.mark.parametrize("late", ["error", "half", "nothing"])
def test_document_that_fails_behind_pings_is_no_success(serve: Serve, sdk: str, late: str) -> None:
    """An error, half a document or none, after the head went out, is an error of the connection to the SDK."""
    read, document = DOCUMENT_SDKS[sdk]
    half = json.dumps(document).encode()[:-9]
    answer = {
        "error": response(b'{"error": {"message": "no"}}', "Connection: close", status="503 Service Unavailable"),
        "half": response(half, "Content-Type: application/json", "Connection: close"),
        "nothing": b"",
    }[late]
    url = serve("told", "document", 3 * PING_SECONDS, answer)
    with pytest.raises((openai.APIConnectionError, anthropic.APIConnectionError)):
        read(url, 10)


@pytest.mark.parametrize("sdk", PLAIN_SDKS)
def test_body_that_stays_open_behind_its_terminal_is_ended_for_the_client(serve: Serve, sdk: str) -> None:
    """The upstream says all and does not close: the SDK is done long before it would lose its patience."""
    name, reader = SDKS[sdk]
    whole = map(chunk, written("whole", APIS[name]).pieces)
    heard: Tokens = []
    url = serve("told", name, head(name), *whole, SILENT_SECONDS)
    assert end_of(reader, url, heard, seconds=PATIENCE_SECONDS) == "success"
    assert "".join(heard) == "ab"


def test_pings_and_frames_of_events_reach_each_reader_of_octets(serve: Serve, octets_of: ReadOctets) -> None:
    """Who only reads octets sees a comment in the silence, then the frame, then an end."""
    api = APIS["events"]
    steps = (head("events") + chunk(api.tokens[0]), 2.5 * PING_SECONDS, chunk(api.tokens[1]), chunk(b""))
    text, success = octets_of(serve("told", "events", *steps))
    assert text.startswith("data: a\n\n" + PING.decode())
    assert text.replace(PING.decode(), "").startswith('data: a\n\ndata: b\n\nevent: error\ndata: {"error":{"message":')
    assert text.endswith("}}\n\n")
    assert success


def test_pings_and_frames_of_lines_reach_each_reader_of_octets(serve: Serve, octets_of: ReadOctets) -> None:
    """In NDJSON a ping is an empty line, and a failure the last line."""
    steps = (head("lines") + chunk(LINES[0]), 2.5 * PING_SECONDS, chunk(LINES[1]))
    text, success = octets_of(serve("told", "lines", *steps))
    lines = text.split("\n")
    first, second, error = filter(None, lines)
    assert [first, second, lines[-1]] == ['{"n": 1}', '{"n": 2}', ""]
    assert lines.index(second) > lines.index(first) + 1, "no ping in the silence"
    assert '"_gateway":true' in error
    assert success


@pytest.mark.parametrize("api", ["events", "lines"])
def test_answer_that_is_not_whole_is_cut_for_each_reader_of_octets(
    serve: Serve, octets_of: ReadOctets, api: str
) -> None:
    """Without frames the end is no end: no reader reports success."""
    pieces = {"events": APIS["events"].tokens, "lines": (LINES[0], LINES[1][:-3])}[api]
    _, success = octets_of(serve("cut", api, head(api), *map(chunk, pieces), chunk(b"")))
    assert not success


@pytest.mark.parametrize("fault", ["unfinished", "cut"])
def test_event_source_hears_of_a_failure_and_of_no_ping(serve: Serve, listen: Listen, fault: str) -> None:
    """The frame is an `error` with data, and then the source connects anew, as it does after every end."""
    first, *rest = broken(fault, APIS["events"])
    with listen(serve("told", "events", head("events"), first, 2.5 * PING_SECONDS, *rest)) as source:
        assert source.report() == {"open": True}
        assert source.report()["data"] == "a"
        told = source.report()
        assert (told["event"], '"gateway_error"' in told["data"]) == ("error", True)
        assert source.report() == {"again": True}
