"""A client that does not read holds back its upstream; it fills neither our memory nor its neighbours' time."""

import time

import pytest
from support.conditions import wait_until
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import chunk
from support.stage import LISTENERS, OpenStage, Stage

pytestmark = pytest.mark.alone

MIB = 1 << 20
ROUTES = {
    "patient": {"timeouts": {"write": "off"}},
    "strict": {"timeouts": {"write": "600ms"}},
}
MOST_KERNEL_OCTETS = 24 * MIB
"""What the four socket buffers on the way may hold together."""


class Flood:
    """A script that sends without end, or ``octets`` octets, and knows how many it got rid of."""

    def __init__(self, head: str, octets: int = 1 << 40) -> None:
        self.sent_octets = 0
        self._head = f"HTTP/1.1 200 OK\r\n{head}\r\n".encode()
        self._left = octets

    def __call__(self, connection: ScriptedConnection) -> None:
        connection.send(self._head)
        while self.sent_octets < self._left:
            piece = bytes(min(MIB // 4, self._left - self.sent_octets))
            connection.send(chunk(piece) if b"chunked" in self._head else piece)
            self.sent_octets += len(piece)
        connection.send(chunk(b"") if b"chunked" in self._head else b"")

    def stands_still(self, seconds: float) -> bool:
        """Wait ``seconds``; return whether nothing could be sent meanwhile."""
        before = self.sent_octets
        time.sleep(seconds)
        return before > 0 and self.sent_octets == before


@pytest.fixture(params=LISTENERS)
def stage(request: pytest.FixtureRequest, open_stage: OpenStage) -> Stage:
    return open_stage(listener=request.param, routes=ROUTES)


@pytest.mark.parametrize("head", ["Transfer-Encoding: chunked\r\n", f"Content-Length: {1 << 40}\r\n", ""])
def test_client_that_stops_reading_stops_its_upstream(stage: Stage, head: str) -> None:
    """The upstream's send blocks while the client pauses; the worker's memory stays where it was."""
    flood = Flood(head)
    with stage.scene(flood, "patient") as scene, stage.client(receive_buffer=8192) as client:
        before_kib = stage.gateway.rss_kib()
        client.get(scene.target)
        wait_until(lambda: flood.stands_still(0.3), 10, "the upstream to be held back")
        assert flood.sent_octets < MOST_KERNEL_OCTETS
        assert stage.gateway.rss_kib() - before_kib < 6 * 1024
        assert stage.live_streams() == 1
        client.reset()
        assert scene.line()["outcome"] == "client_gone"


def test_client_that_reads_again_gets_everything(stage: Stage) -> None:
    """A pause costs time and no octet."""
    flood = Flood(f"Content-Length: {32 * MIB}\r\n", 32 * MIB)
    with stage.scene(flood, "patient") as scene, stage.client(receive_buffer=65_536) as client:
        client.get(scene.target)
        wait_until(lambda: flood.stands_still(0.2), 10, "the upstream to be held back")
        response = client.read_response()
        assert response.complete and len(response.body) == 32 * MIB
        assert scene.line()["outcome"] == "complete"


@pytest.mark.parametrize("head", ["Transfer-Encoding: chunked\r\n", f"Content-Length: {1 << 40}\r\n"])
def test_client_that_takes_nothing_for_too_long_is_cut_off(stage: Stage, head: str) -> None:
    """``write`` ends it: the line says client_stalled, the upstream is let go, the client finds a reset."""
    flood = Flood(head)
    with stage.scene(flood, "strict") as scene, stage.client(receive_buffer=8192) as client:
        client.get(scene.target)
        line = scene.line()
        assert (line["outcome"], line["failure"], line["side"]) == ("client_stalled", "client_stalled", "downstream")
        connection = scene.connection()
        wait_until(lambda: not connection.is_open, 1, "the end of the upstream connection")
        assert client.wait_closed() in ("reset", "ragged")
    stage.wait_until_quiet()


def test_client_that_reads_slowly_but_steadily_is_not_cut_off(stage: Stage) -> None:
    """``write`` counts the time in which nothing is taken: a slow client takes something all the time."""
    flood = Flood("Transfer-Encoding: chunked\r\n")
    with stage.scene(flood, "strict") as scene, stage.client(receive_buffer=16_384) as client:
        client.get(scene.target)
        assert len(client.slow_read(400_000, 3)) > 400_000
        assert stage.live_streams() == 1
        client.reset()
        assert scene.line()["outcome"] == "client_gone"
