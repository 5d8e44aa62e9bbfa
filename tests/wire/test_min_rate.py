"""`min_rate` ends drips, on both sides, and judges nobody by the other side's pace."""

import json
import time

import pytest
from support.conditions import patience
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import chunk, hang
from support.stage import OpenStage, Stage

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ROUTES = {"rate": {"timeouts": {"min_rate": "100B/800ms"}}}


@pytest.fixture
def stage(open_stage: OpenStage) -> Stage:
    return open_stage(routes=ROUTES, listener="plain", server={"keepalive_timeout": "400ms"})


def dripping(octets: int, times: int) -> list[bytes | float]:
    """A chunk of ``octets`` every 100 ms."""
    return [CHUNKED, *[chunk(b"x" * octets), 0.1] * times, chunk(b"")]


def test_upstream_that_drips_is_cut(stage: Stage) -> None:
    """Never silent for long, and still too slow; the upstream is let go."""
    with stage.scene(dripping(1, 40), "rate") as scene, stage.client() as client:
        answer = client.get(scene.target).read_response()
        assert answer.status == 200 and not answer.complete
        line = scene.line()
        assert (line["failure"], line["outcome"], line["side"]) == ("rate_timeout", "timed_out", "upstream")
        assert "100 are asked for" in line["detail"]
        assert 750 < line["total_ms"] < 1000 * patience(2.5)
        scene.connection().wait_closed(1)


def test_upstream_that_is_fast_enough_goes_on(stage: Stage) -> None:
    """Longer than a window, at twice the rate."""
    with stage.scene(dripping(25, 25), "rate") as scene, stage.client() as client:
        assert len(client.get(scene.target).read_response().body) == 25 * 25
        assert scene.line()["outcome"] == "complete"


def test_client_that_does_not_read_does_not_make_its_upstream_slow(stage: Stage) -> None:
    """While the client is waited for, no time passes for the upstream."""
    octets = 24 << 20
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % octets, bytes(octets)]
    with stage.scene(script, "rate") as scene, stage.client(receive_buffer=8192) as client:
        client.get(scene.target).read_until_head()
        time.sleep(2.0)
        assert sum(len(piece) for _, piece in client.arrivals(10)) == octets
        assert scene.line()["outcome"] == "complete"


def test_client_that_drips_its_body_is_408(stage: Stage) -> None:
    """An upload that never pauses for long and never gets anywhere."""
    with stage.scene(hang, "rate") as scene, stage.client() as client:
        client.send(f"PUT {scene.target} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n".encode())
        drip(client)
        answer = client.read_response()
        assert (answer.status, json.loads(answer.body)["code"]) == (408, "upload_rate_timeout")
        line = scene.line()
        assert (line["failure"], line["outcome"], line["side"]) == ("upload_rate_timeout", "rejected", "downstream")


def drip(client) -> None:  # type: ignore[no-untyped-def]
    """Send an octet every 100 ms, for longer than a window."""
    for _ in range(15):
        try:
            client.send(b".")
        except OSError:
            return
        time.sleep(0.1)


def test_upload_that_is_fast_enough_is_not_ended(stage: Stage) -> None:
    """And its answer may take as long as it likes: the wait for it is not the client's."""
    script = [ScriptedConnection.read_body, 1.5, b"HTTP/1.1 204 No Content\r\n\r\n"]
    with stage.scene(script, "rate") as scene, stage.client() as client:
        client.send(f"PUT {scene.target} HTTP/1.1\r\nHost: h\r\nContent-Length: 600\r\n\r\n".encode())
        for _ in range(12):
            client.send(b"." * 50)
            time.sleep(0.1)
        assert client.read_response().status == 204
