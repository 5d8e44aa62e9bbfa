"""``max_connections``: one more than that is told so at once, instead of hanging in a queue."""

import contextlib
import json
import time

import pytest
from support.conditions import wait_until
from support.scripted_upstream import chunk, hang
from support.stage import LISTENERS, OpenStage, Stage

MOST = 3
STREAM = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x"), hang]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(params=LISTENERS)
def stage(request: pytest.FixtureRequest, open_stage: OpenStage) -> Stage:
    return open_stage(listener=request.param, server={"max_connections": MOST})


def test_connection_above_the_limit_is_told_503_at_once(stage: Stage) -> None:
    """Running streams go on; whoever comes on top gets 503 with Retry-After, a line, and no upstream connection."""
    with contextlib.ExitStack() as stack:
        scene = stack.enter_context(stage.scene(STREAM))
        clients = [stack.enter_context(stage.client()) for _ in range(MOST)]
        for client in clients:
            client.get(scene.target).read_until_head()
        lines = len(stage.gateway.log_lines())
        for _ in range(5):
            with stage.client() as one_more:
                began = time.monotonic()
                response = one_more.get(scene.target).read_response()
                assert time.monotonic() - began < 0.5
                assert (response.status, json.loads(response.body)["code"]) == (503, "overloaded")
                assert (response.first("connection"), response.first("retry-after")) == ("close", "1")
                assert one_more.wait_closed(1) == "eof"
        assert len(scene.connections) == MOST
        assert stage.live_streams() == MOST
        wait_until(lambda: len(stage.gateway.log_lines()) == lines + 5, 2, "a line for each refusal")
        assert {line["failure"] for line in stage.gateway.log_lines()[lines:]} == {"overloaded"}


def test_place_that_gets_free_is_given_to_the_next(stage: Stage) -> None:
    """When a client leaves, another one is served."""
    with stage.scene(STREAM) as scene, stage.scene(OK) as quick, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(stage.client()) for _ in range(MOST)]
        for client in clients:
            client.get(scene.target).read_until_head()
        clients[0].leave()

        def served() -> bool:
            with stage.client() as client:
                return client.get(quick.target).read_response().status == 200

        wait_until(served, 2, "the place that was left")
