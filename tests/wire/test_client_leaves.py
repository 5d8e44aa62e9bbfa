"""A client that leaves, in whatever phase and manner: its upstream connection ends within a second, nothing is left."""

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from support.conditions import stays, wait_until
from support.gateway_process import Gateway, route_to
from support.kernel import attempts_at, blackhole, unread_octets
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import chunk, hang
from support.stage import OpenStage, Scene

SOON_SECONDS = 1.0
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def busy(connection: ScriptedConnection) -> None:
    """A chunk every 20 ms, until the peer is gone."""
    connection.send(CHUNKED)
    while True:
        connection.send(chunk(b"tick"))
        connection.pause(0.02)


def takes_an_upload_slowly(connection: ScriptedConnection) -> None:
    connection.read_some()
    connection.hang()


def reads_no_upload(connection: ScriptedConnection) -> None:
    while connection.is_open:
        connection.pause(0.02)


def leave(client: RudeClient) -> None:
    """FIN, after TLS's close_notify where the client speaks TLS: how an ordinary client leaves."""
    with contextlib.suppress(OSError, AttributeError):
        client.socket.settimeout(0.0)
        client.socket.unwrap()  # type: ignore[attr-defined]
    client.socket.close()


def drop(client: RudeClient) -> None:
    """FIN alone, as the kernel sends it for a client that was killed."""
    client.socket.close()


MANNERS: dict[str, Callable[[RudeClient], None]] = {"leaves": leave, "is-killed": drop, "resets": RudeClient.reset}


def asked(client: RudeClient, scene: Scene) -> None:
    client.get(scene.target)
    scene.connection()


def got_a_chunk(client: RudeClient, scene: Scene) -> None:
    client.get(scene.target)
    assert next(client.open_response()[1]).startswith(b"tick")


def got_the_head(client: RudeClient, scene: Scene) -> None:
    client.get(scene.target)
    client.read_until_head()


def sent_a_second_request(client: RudeClient, scene: Scene) -> None:
    got_the_head(client, scene)
    client.get(scene.target + "?second")


def began_an_upload(framing: str) -> Callable[[RudeClient, Scene], None]:
    def begin(client: RudeClient, scene: Scene) -> None:
        client.send(f"PUT {scene.target} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode())
        scene.connection()
        client.send(b"4\r\nhalf\r\n")

    return begin


def sent_more_than_the_upstream_takes(client: RudeClient, scene: Scene) -> None:
    """Send until octets stay with the gateway's kernel: then it waits for the upstream, not for the client."""
    client.send(f"PUT {scene.target} HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n".encode())
    port = scene.gateway.address[1]
    while not stays(lambda: unread_octets(port) > 0, 0.1):
        client.send(bytes(65_536))


PHASES: dict[str, tuple[object, Callable[[RudeClient, Scene], None]]] = {
    "waiting-for-the-head": (hang, asked),
    "between-chunks": (busy, got_a_chunk),
    "silent-body": ([CHUNKED, hang], got_the_head),
    "silent-body-second-request": ([CHUNKED, hang], sent_a_second_request),
    "upload-with-length": (takes_an_upload_slowly, began_an_upload("Content-Length: 1000")),
    "upload-chunked": (takes_an_upload_slowly, began_an_upload("Transfer-Encoding: chunked")),
    "upload-nobody-reads": (reads_no_upload, sent_more_than_the_upstream_takes),
    "upload-beside-the-answer": ([CHUNKED, hang], began_an_upload("Content-Length: 1000")),
}


LISTENERS = {"plain": 1, "tls1.3": 2}
"""And how many workers."""
WAYS = [*itertools.product(LISTENERS, MANNERS), ("tls1.2", "leaves")]


@pytest.mark.parametrize(("listener", "manner"), WAYS)
@pytest.mark.parametrize("phase", PHASES)
def test_client_that_goes_takes_its_upstream_connection_along(
    open_stage: OpenStage, phase: str, listener: str, manner: str
) -> None:
    """Within a second the upstream is let go; the line says client_gone; no exchange, no descriptor is left."""
    script, reach = PHASES[phase]
    stage = open_stage(listener=listener, workers=LISTENERS.get(listener, 1))
    stage.wait_until_quiet(5)
    descriptors = stage.gateway.open_fds()
    with stage.scene(script) as scene, stage.client() as client:  # type: ignore[arg-type]
        reach(client, scene)
        connection = scene.connection()
        assert connection.is_open
        MANNERS[manner](client)
        wait_until(lambda: not connection.is_open, SOON_SECONDS, "the end of the upstream connection")
        assert scene.line(SOON_SECONDS)["outcome"] == "client_gone"
        stage.wait_until_quiet()
        wait_until(lambda: stage.gateway.open_fds() <= descriptors, 1, "every descriptor to be given back")
        assert len(scene.connections) == 1


@pytest.mark.parametrize("manner", MANNERS)
def test_client_that_goes_before_the_upstream_is_connected(tmp_path: Path, manner: str) -> None:
    """The attempt to connect ends with the client."""
    with (
        blackhole() as port,
        Gateway(route_to(f"http://127.0.0.1:{port}", timeouts={"connect": "30s"}), tmp_path) as gateway,
    ):
        before = attempts_at(port)
        descriptors = gateway.open_fds()
        with RudeClient(gateway.address) as client:
            client.get("/")
            wait_until(lambda: attempts_at(port) == before + 1, 5, "an attempt to connect")
            MANNERS[manner](client)
            wait_until(lambda: attempts_at(port) == before, SOON_SECONDS, "the attempt's end")
        line = gateway.wait_for_line(timeout=SOON_SECONDS)
        assert (line["outcome"], line["status"], line["bytes_down"]) == ("client_gone", None, 0)
        wait_until(lambda: gateway.open_fds() <= descriptors, 1, "every descriptor to be given back")
