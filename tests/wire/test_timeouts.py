"""Each timeout ends what it is about, and nothing else, and names itself in answer and log line."""

import json
import time

import pytest
from support.conditions import patience
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, chunk, hang
from support.stage import LISTENERS, OpenStage, Scene, Stage

LIMIT_SECONDS = 0.8
SLACK_SECONDS = 0.5
TICKS = 15
OFF = {"connect": "off", "first_byte": "off", "idle": "off", "total": "off", "write": "off", "upload": "off"}
ROUTES = {name: {"timeouts": {**OFF, name: "800ms"}} for name in ("first_byte", "idle", "total", "upload")}
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


SERVER = {"head_timeout": "800ms", "keepalive_timeout": "800ms"}


@pytest.fixture
def stage(open_stage: OpenStage) -> Stage:
    return open_stage(routes=ROUTES, server=SERVER, listener="plain")


@pytest.fixture(params=LISTENERS)
def each_stage(request: pytest.FixtureRequest, open_stage: OpenStage) -> Stage:
    """For what depends on the client's side of a wait."""
    return open_stage(routes=ROUTES, server=SERVER, listener=request.param)


def assert_told(response: RawResponse, scene: Scene, status: int, code: str, outcome: str) -> None:
    """Answer, Proxy-Status and line name the same timeout; it took as long as it is set to."""
    assert (response.status, response.complete) == (status, True)
    document = json.loads(response.body)
    assert (document["status"], document["code"]) == (status, code)
    assert (response.first("proxy-status") or "").startswith("slowgate; error=")
    line = scene.line()
    assert (line["status"], line["failure"], line["outcome"]) == (status, code, outcome)
    assert LIMIT_SECONDS * 1000 <= line["total_ms"] < patience(LIMIT_SECONDS + SLACK_SECONDS) * 1000


def assert_cut(response: RawResponse, scene: Scene, code: str) -> None:
    """The client sees a cut, the line says which timeout it was, and the upstream was let go."""
    assert response.status == 200 and not response.complete
    line = scene.line()
    assert (line["status"], line["failure"], line["outcome"]) == (200, code, "timed_out")
    scene.connection().wait_closed(1)


def ticking(connection: ScriptedConnection) -> None:
    """A chunk every 100 ms, longer than any limit here."""
    connection.send(CHUNKED)
    for _ in range(TICKS):
        connection.send(chunk(b"tick"))
        connection.pause(0.1)
    connection.send(chunk(b""))


@pytest.mark.parametrize(
    "script",
    [hang, [*[b"HTTP/1.1 102 Processing\r\n\r\n", 0.1] * TICKS], [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n", 0.1] * TICKS]],
    ids=["silent", "only-interim", "dripping-head"],
)
def test_upstream_without_a_head_in_time_is_504(stage: Stage, script: Script) -> None:
    """``first_byte`` counts until the whole head of a final answer is there."""
    with stage.scene(script, "first_byte") as scene, stage.client() as client:
        assert_told(client.get(scene.target).read_response(), scene, 504, "first_byte_timeout", "failed")


def test_first_byte_does_not_limit_the_body(stage: Stage) -> None:
    """Once the head is there, ``first_byte`` is over."""
    with stage.scene(ticking, "first_byte") as scene, stage.client() as client:
        assert client.get(scene.target).read_response().body == b"tick" * TICKS
        assert scene.line()["outcome"] == "complete"


@pytest.mark.parametrize("sent", [CHUNKED, CHUNKED + chunk(b"a")], ids=["after-the-head", "after-a-chunk"])
def test_upstream_that_falls_silent_is_cut(stage: Stage, sent: bytes) -> None:
    """``idle`` ends a body in which nothing comes for that long."""
    with stage.scene([sent, 2], "idle") as scene, stage.client() as client:
        assert_cut(client.get(scene.target).read_response(), scene, "idle_timeout")


def test_upstream_that_speaks_now_and_then_is_not_idle(stage: Stage) -> None:
    """``idle`` begins anew with each chunk."""
    with stage.scene(ticking, "idle") as scene, stage.client() as client:
        response = client.get(scene.target).read_response()
        assert response.complete and response.body == b"tick" * TICKS
        assert scene.line()["outcome"] == "complete"


def test_slow_reader_does_not_make_its_upstream_idle(each_stage: Stage) -> None:
    """``idle`` counts the upstream's silence only: a client that pauses for longer loses nothing."""
    octets = 24 << 20
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % octets, bytes(octets)]
    with each_stage.scene(script, "idle") as scene, each_stage.client(receive_buffer=8192) as client:
        client.get(scene.target).read_until_head()
        time.sleep(3 * LIMIT_SECONDS)
        response = client.arrivals(10)
        assert sum(len(piece) for _, piece in response) == octets
        assert scene.line()["outcome"] == "complete"


def test_total_before_the_head_is_504(stage: Stage) -> None:
    """``total`` runs while the head is awaited."""
    with stage.scene(hang, "total") as scene, stage.client() as client:
        assert_told(client.get(scene.target).read_response(), scene, 504, "total_timeout", "timed_out")


def test_total_ends_a_healthy_stream(stage: Stage) -> None:
    """``total`` does not ask whether anything comes."""
    with stage.scene(ticking, "total") as scene, stage.client() as client:
        response = client.get(scene.target).read_response()
        assert response.body.startswith(b"ticktick")
        assert_cut(response, scene, "total_timeout")


def test_total_ends_a_stream_whose_client_does_not_read(each_stage: Stage) -> None:
    """``total`` also strikes while the gateway waits for its client."""
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n", bytes(99_000_000)]
    with each_stage.scene(script, "total") as scene, each_stage.client(receive_buffer=8192) as client:
        client.get(scene.target)
        assert (scene.line()["failure"], scene.line()["outcome"]) == ("total_timeout", "timed_out")
        assert client.wait_closed() in ("eof", "reset", "ragged")


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_client_that_stops_sending_is_408(each_stage: Stage, framing: str) -> None:
    """``upload`` ends a request whose body does not go on; the upstream is let go."""
    with each_stage.scene(hang, "upload") as scene, each_stage.client() as client:
        client.send(f"PUT {scene.target} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode())
        client.send(b"3\r\nabc\r\n")
        response = client.read_response()
        assert_told(response, scene, 408, "upload_timeout", "rejected")
        assert response.first("connection") == "close"
        assert client.wait_closed() == "eof"
        assert not scene.connection().is_open


def test_upstream_that_takes_no_upload_is_504(stage: Stage) -> None:
    """``upload`` also limits how long the upstream takes nothing of a body."""
    with stage.scene([3.0], "upload") as scene, stage.client(timeout_seconds=3) as client:
        client.send(f"PUT {scene.target} HTTP/1.1\r\nHost: h\r\nContent-Length: 99000000\r\n\r\n".encode())
        client.socket.settimeout(0.2)
        with pytest.raises((TimeoutError, OSError)):
            client.send(bytes(99_000_000))
        line = scene.line()
        assert (line["status"], line["failure"], line["outcome"]) == (504, "send_timeout", "failed")


def test_upload_that_goes_on_is_not_ended(stage: Stage) -> None:
    """``upload`` begins anew with each piece."""
    script = [ScriptedConnection.read_body, b"HTTP/1.1 204 No Content\r\n\r\n"]
    with stage.scene(script, "upload") as scene, stage.client() as client:
        client.send(f"PUT {scene.target} HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n".encode())
        for _ in range(10):
            time.sleep(LIMIT_SECONDS / 4)
            client.send(b".")
        assert client.read_response().status == 204


def drip(client: RudeClient, octets: bytes) -> None:
    """Send one octet every 50 ms, until the server has enough of it."""
    try:
        for octet in octets:
            client.send(bytes([octet]))
            time.sleep(0.05)
    except OSError:
        return


def test_request_head_that_takes_too_long_is_408(each_stage: Stage) -> None:
    """``head_timeout`` counts the whole head, not the silence in it; the refusal has a line."""
    lines = len(each_stage.gateway.log_lines())
    with each_stage.client() as client:
        drip(client, b"GET /first_byte/x HTTP/1.1\r\n")
        response = client.read_response()
    assert (response.status, json.loads(response.body)["code"]) == (408, "head_timeout")
    assert response.first("connection") == "close"
    (line,) = each_stage.gateway.log_lines()[lines:]
    assert (line["failure"], line["outcome"], line["status"]) == ("head_timeout", "rejected", None)


def test_client_that_says_nothing_is_closed(each_stage: Stage) -> None:
    """A connection on which no request begins ends after ``head_timeout``, without an answer and without a line."""
    lines = len(each_stage.gateway.log_lines())
    with each_stage.client() as client:
        began = time.monotonic()
        assert client.wait_closed(3) == "eof"
        assert LIMIT_SECONDS - 0.1 < time.monotonic() - began < patience(LIMIT_SECONDS + SLACK_SECONDS)
    assert len(each_stage.gateway.log_lines()) == lines


def test_idle_client_connection_is_closed_after_keepalive_timeout(each_stage: Stage) -> None:
    """Between two requests a connection may rest for ``keepalive_timeout``; its end is a clean one."""
    with each_stage.scene(b"HTTP/1.1 204 No Content\r\n\r\n", "idle") as scene, each_stage.client() as client:
        assert client.get(scene.target).read_response().status == 204
        began = time.monotonic()
        assert client.arrivals(3) == []
        assert LIMIT_SECONDS - 0.1 < time.monotonic() - began < patience(LIMIT_SECONDS + SLACK_SECONDS)
        assert client.wait_closed() == "eof"
