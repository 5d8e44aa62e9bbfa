"""Answers without a body: HEAD, 204, 304. The server never starts their stream (F3); all is released even so."""

import pytest
from support.conditions import wait_until
from support.scripted_upstream import hang
from support.stage import LISTENERS, OpenStage, Stage

CASES = {
    "head": ("HEAD", "200 OK\r\nContent-Length: 12345"),
    "head-chunked": ("HEAD", "200 OK\r\nTransfer-Encoding: chunked"),
    "head-without-framing": ("HEAD", "200 OK\r\nContent-Type: text/plain"),
    "head-error": ("HEAD", "404 Not Found\r\nContent-Length: 9"),
    "204": ("GET", "204 No Content"),
    "204-delete": ("DELETE", "204 No Content"),
    "304": ("GET", '304 Not Modified\r\nETag: "x"'),
    "304-with-length": ("GET", '304 Not Modified\r\nETag: "x"\r\nContent-Length: 500'),
    "empty": ("GET", "200 OK\r\nContent-Length: 0"),
    "empty-201": ("PUT", "201 Created\r\nContent-Length: 0"),
}


@pytest.fixture(params=LISTENERS)
def stage(request: pytest.FixtureRequest, open_stage: OpenStage) -> Stage:
    return open_stage(listener=request.param)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_answer_without_body_releases_everything_and_has_its_line(stage: Stage, case: str, version: str) -> None:
    """The upstream connection ends, the exchange too, its line says complete."""
    method, answer = CASES[case]
    with stage.scene([f"HTTP/1.1 {answer}\r\n\r\n".encode(), hang]) as scene, stage.client() as client:
        client.send(f"{method} {scene.target} HTTP/{version}\r\nHost: h\r\n\r\n".encode())
        response = client.read_response(method=method)
        assert f"{response.status} {response.reason}" == answer.partition("\r\n")[0]
        line = scene.line()
        assert (line["outcome"], line["bytes_down"], line["chunks"]) == ("complete", 0, 0)
        connection = scene.connection()
        wait_until(lambda: not connection.is_open, 1, "the upstream to be let go")
        wait_until(lambda: stage.live_streams() == 0, 1, "the exchange's end")


def test_fields_of_a_head_answer_pass_unchanged(stage: Stage) -> None:
    """Content-Length of HEAD and 304 tells the length of what GET would bring, and passes."""
    for method, answer in (CASES["head"], CASES["304-with-length"]):
        with stage.scene(f"HTTP/1.1 {answer}\r\n\r\n".encode()) as scene, stage.client() as client:
            client.send(f"{method} {scene.target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            expected = answer.rpartition("Content-Length: ")[2]
            assert client.read_response(method=method).all("content-length") == [expected]


def test_connections_stay_in_step_behind_answers_without_body(open_stage: OpenStage) -> None:
    """Client and upstream connection both carry the next exchange: nothing is left over on either."""
    stage = open_stage(keepalive="4s")
    before = stage.upstream.connections
    with stage.client() as client:
        for case in ("head", "head-chunked", "204", "304", "304-with-length", "empty"):
            method, answer = CASES[case]
            with stage.scene(f"HTTP/1.1 {answer}\r\n\r\n".encode()) as scene:
                client.send(f"{method} {scene.target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
                assert client.read_response(method=method).status == int(answer[:3])
        with stage.scene(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast") as scene:
            assert client.get(scene.target).read_response().body == b"last"
    assert stage.upstream.connections == before + 1
