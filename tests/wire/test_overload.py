"""``max_connections``: one more than that is told so at once, instead of hanging in a queue."""

import contextlib
import json

import pytest
from support.conditions import wait_until
from support.scripted_upstream import chunk, hang
from support.stage import LISTENERS, OpenStage, Stage

MOST = 3
STREAM = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x"), hang]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(params=LISTENERS)
def stage(request: pytest.FixtureRequest, open_stage: OpenStage) -> Stage:
    """A gateway whose places are all free."""
    stage = open_stage(listener=request.param, server={"max_connections": MOST})
    stage.wait_until_quiet(10)
    return stage


def refusals(stage: Stage) -> int:
    return sum(line["failure"] == "overloaded" for line in stage.gateway.log_lines())


def test_connection_above_the_limit_is_told_503_at_once(stage: Stage) -> None:
    """Running streams go on; whoever comes on top gets 503 with Retry-After, a line, and no upstream connection."""
    with contextlib.ExitStack() as stack:
        scene = stack.enter_context(stage.scene(STREAM))
        clients = [stack.enter_context(stage.client()) for _ in range(MOST)]
        for client in clients:
            client.get(scene.target).read_until_head()
        lines, refused = len(stage.gateway.log_lines()), refusals(stage)
        for _ in range(5):
            with stage.client() as one_more:
                # It has not waited for a place: nobody leaves, so there is none for as long as its patience lasts.
                response = one_more.get(scene.target).read_response()
                assert (response.status, json.loads(response.body)["code"]) == (503, "overloaded")
                assert (response.first("connection"), response.first("retry-after")) == ("close", "1")
                assert one_more.wait_closed() == "eof"
        assert len(scene.connections) == MOST
        assert stage.live_streams() == MOST
        wait_until(lambda: refusals(stage) == refused + 5, 5, "a line for each refusal")
        assert len(stage.gateway.log_lines()) == lines + 5


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

        wait_until(served, 10, "the place that was left")


def test_who_came_above_the_limit_is_in_nobodys_way(stage: Stage) -> None:
    """A place that gets free is given away while others are still to be told that there was none for them."""
    with stage.scene(STREAM) as scene, stage.scene(OK) as quick, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(stage.client()) for _ in range(MOST)]
        for client in clients:
            client.get(scene.target).read_until_head()
        above = [stack.enter_context(stage.client()) for _ in range(MOST)]
        wait_until(lambda: stage.gateway.open_client_connections() == 2 * MOST, 5, "them to be taken")
        clients[0].leave()
        wait_until(lambda: stage.gateway.open_client_connections() == 2 * MOST - 1, 5, "the end of the first")
        with stage.client() as client:
            assert client.get(quick.target).read_response().status == 200
        assert above[0].get(quick.target).read_response().status == 503
