"""Keep-alive on the wire: pings while the upstream is silent, between its frames and never inside one."""

import re
import time

import pytest
from support.conditions import patience, wait_until
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, chunk, hang, response
from support.stage import LISTENERS, OpenStage, Stage

PING = b": ping\n"
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
NDJSON = SSE.replace(b"text/event-stream", b"application/x-ndjson")
JSON = SSE.replace(b"text/event-stream", b"application/json")
END = chunk(b"")
STREAM = {"keepalive": "150ms", "grace": "off"}
ROUTES = {
    "sse": {"stream": {**STREAM, "format": "sse"}},
    "idle": {"stream": {**STREAM, "format": "sse"}, "timeouts": {"idle": "900ms"}},
    "ndjson": {"stream": {**STREAM, "format": "ndjson"}},
    "json": {"stream": {**STREAM, "format": "json"}},
    "auto": {"stream": STREAM},
    "rate": {"stream": {**STREAM, "format": "sse"}, "timeouts": {"min_rate": "3B/600ms"}},
}


@pytest.fixture(params=LISTENERS)
def stage(request: pytest.FixtureRequest, open_stage: OpenStage) -> Stage:
    return open_stage(routes=ROUTES, listener=request.param)


@pytest.fixture
def plain(open_stage: OpenStage) -> Stage:
    return open_stage(routes=ROUTES, listener="plain")


def test_silence_between_events_is_filled_with_pings(stage: Stage) -> None:
    """Each of them a chunk of its own, on time; the framing stays whole and the connection serves the next request."""
    script = [SSE + chunk(b"data: 1\n\n"), 0.55, chunk(b"data: 2\n\n"), 0.35, chunk(b"data: 3\n\n") + END]
    with stage.scene(script, "sse") as scene, stage.client() as client:
        answer = client.get(scene.target).read_response()
        assert answer.complete
        assert re.fullmatch(rb"data: 1\n\n(: ping\n)+data: 2\n\n(: ping\n)+data: 3\n\n", answer.body)
        first, *_, last = (at for at, piece in answer.pieces if piece == PING)
        assert 0.13 < first < patience(0.5)
        assert answer.body.count(PING) <= last / 0.13
        line = scene.line()
        assert (line["outcome"], line["bytes_down"], line["chunks"]) == ("complete", 27, 3)
    with stage.scene([SSE + chunk(b"data: 4\n\n") + END], "sse") as scene, stage.client() as client:
        for _ in range(2):
            assert client.get(scene.target).read_response().body == b"data: 4\n\n"


def test_silence_below_the_head_is_filled_with_pings(stage: Stage) -> None:
    """The first event may be what takes long."""
    with stage.scene([SSE, 0.4, chunk(b"data: 1\n\n") + END], "sse") as scene, stage.client() as client:
        assert re.fullmatch(rb"(: ping\n)+data: 1\n\n", client.get(scene.target).read_response().body)


@pytest.mark.parametrize("half", [b"data: 1\n", b"data: 1", b"data: 1\r\n\r", b"\xef"])
def test_frame_that_came_in_parts_is_never_split(plain: Stage, half: bytes) -> None:
    """A ping inside of it would be part of it."""
    script = [SSE + chunk(b"id: 7\ndata: 0\n\n"), chunk(half), 0.5, chunk(b"\n\n") + END]
    with plain.scene(script, "sse") as scene, plain.client() as client:
        answer = client.get(scene.target).read_response()
        assert answer.body == b"id: 7\ndata: 0\n\n" + half + b"\n\n"


def test_lines_of_json_get_empty_lines(plain: Stage) -> None:
    """Only between two of them."""
    script = [NDJSON + chunk(b'{"a":1}\n'), 0.25, chunk(b'{"b"'), 0.4, chunk(b":2}\n") + END]
    with plain.scene(script, "ndjson") as scene, plain.client() as client:
        assert re.fullmatch(rb'\{"a":1\}\n\n\{"b":2\}\n', client.get(scene.target).read_response().body)


@pytest.mark.parametrize(
    ("route", "script"),
    [
        ("auto", [SSE.replace(b"text/event-stream", b"text/plain"), 0.4, chunk(b"x") + END]),
        ("sse", [SSE.replace(b"\r\n\r\n", b"\r\nContent-Encoding: br\r\n\r\n"), 0.4, chunk(b"x") + END]),
        ("sse", [SSE.replace(b"200 OK", b"503 No"), 0.4, chunk(b"x") + END]),
        ("sse", [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1\r\n\r\n", 0.4, b"x"]),
        ("auto", [JSON, 0.4, chunk(b"x") + END]),
    ],
    ids=["other-type", "coded", "error", "length", "json-not-asked-for"],
)
def test_what_is_no_stream_of_frames_gets_no_pings(plain: Stage, route: str, script: Script) -> None:
    """Nothing can be put into it."""
    with plain.scene(script, route) as scene, plain.client() as client:
        assert client.get(scene.target).read_response().body == b"x"


def test_pings_do_not_hide_a_dead_upstream(plain: Stage) -> None:
    """``idle`` counts the upstream's silence as ever, and the stream is cut."""
    with plain.scene([SSE + chunk(b"data: 1\n\n"), hang], "idle") as scene, plain.client() as client:
        answer = client.get(scene.target).read_response()
        assert not answer.complete
        assert re.fullmatch(rb"data: 1\n\n(: ping\n){2,6}", answer.body)
        line = scene.line()
        assert (line["failure"], line["outcome"]) == ("idle_timeout", "timed_out")
        assert 800 < line["total_ms"] < 1000 * patience(1.5)


def test_pings_do_not_count_for_the_minimum_rate(plain: Stage) -> None:
    """They are no octets of the upstream's."""
    with plain.scene([SSE + chunk(b"data: 1\n\n"), hang], "rate") as scene, plain.client() as client:
        assert not client.get(scene.target).read_response().complete
        assert scene.line()["failure"] == "rate_timeout"


def test_old_clients_get_pings_in_a_body_that_their_connection_ends(stage: Stage) -> None:
    """HTTP/1.0 has no chunks; the ping stands in the body as it is."""
    with stage.scene([SSE + chunk(b"data: 1\n\n"), 0.4, END], "sse") as scene, stage.client() as client:
        client.send(f"GET {scene.target} HTTP/1.0\r\n\r\n".encode())
        answer = client.read_response()
        assert answer.complete and re.fullmatch(rb"data: 1\n\n(: ping\n)+", answer.body)


def test_client_that_does_not_read_is_not_pinged(stage: Stage) -> None:
    """While a write waits for it nothing is put in between; what it gets in the end is octet for octet right."""
    event = b"data: " + b"x" * 65000 + b"\n\n"
    count = 200

    def script(connection: ScriptedConnection) -> None:
        connection.send(SSE)
        for _ in range(count):
            connection.send(chunk(event))
        connection.pause(0.4)
        connection.send(END)

    with stage.scene(script, "sse") as scene, stage.client(receive_buffer=8192) as client:
        client.get(scene.target)
        time.sleep(0.7)
        answer = client.read_response()
        assert answer.complete
        assert answer.body.replace(PING, b"") == event * count
        assert answer.body.index(PING) == len(event) * count if PING in answer.body else True
        assert scene.line()["outcome"] == "complete"


def test_client_that_leaves_between_two_pings_is_noticed_at_once(plain: Stage) -> None:
    """Not only when a ping cannot be delivered."""
    with plain.scene([SSE + chunk(b"data: 1\n\n"), hang], "sse") as scene:
        with plain.client() as client:
            client.get(scene.target).read_until(PING)
        assert scene.line(1)["outcome"] == "client_gone"
        plain.wait_until_quiet()


@pytest.mark.alone
def test_two_hundred_streams_are_pinged_alike(plain: Stage) -> None:
    """Each on its own time."""
    script = [SSE + chunk(b"data: 1\n\n"), 0.6, chunk(b"data: 2\n\n") + END]
    with plain.scene(script, "sse") as scene:
        clients: list[RudeClient] = [plain.client().get(scene.target) for _ in range(200)]
        bodies = [client.read_response().body for client in clients]
        for client in clients:
            client.leave()
    assert all(re.fullmatch(rb"data: 1\n\n(: ping\n){2,4}data: 2\n\n", body) for body in bodies)


def test_no_ping_comes_behind_the_end(plain: Stage) -> None:
    """On a connection that stays open, the next octets are the next response's."""
    with plain.scene([SSE + chunk(b"data: 1\n\n") + END], "sse") as scene, plain.client() as client:
        assert client.get(scene.target).read_response().complete
        assert client.arrivals(0.4) == []
        assert wait_until(lambda: plain.live_streams() == 0, 1.0, "its end")


def test_head_requests_get_a_head_and_nothing_else(plain: Stage) -> None:
    """They have no body."""
    with plain.scene([0.4, response(b"")], "sse") as scene, plain.client() as client:
        client.send(f"HEAD {scene.target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert client.read_response(method="HEAD").status == 200
        assert client.arrivals(0.3) == []
