"""Nothing is held back: heads, chunks and pieces of uploads leave the gateway when they reach it (F7, F8)."""

import gzip
import itertools
import queue
from collections.abc import Callable

import pytest
from support.conditions import patience
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import chunk
from support.stage import OpenStage, Stage

pytestmark = pytest.mark.alone

PATIENCE_SECONDS = 5.0
PIECES = [b"first ", b"second ", b"3", b"\x00\xff\r\n0\r\n\r\n", b"x" * 3000]
_ZIPPED = gzip.compress(bytes(range(256)) * 8, mtime=0)
ZIPPED_PIECES = [_ZIPPED[:10], _ZIPPED[10:40], _ZIPPED[40:]]


def head_of(framing: str, pieces: list[bytes]) -> bytes:
    """The head of a response whose body will be ``pieces``."""
    lines = {
        "chunked": "Transfer-Encoding: chunked\r\n",
        "length": f"Content-Length: {len(b''.join(pieces))}\r\n",
        "close": "",
        "gzip": "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    }
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{lines[framing]}\r\n".encode()


def pieces_of(framing: str) -> list[bytes]:
    """What the body is made of."""
    return ZIPPED_PIECES if framing == "gzip" else PIECES


def framed(framing: str, piece: bytes) -> bytes:
    """``piece`` as it stands on the wire."""
    return chunk(piece) if framing in ("chunked", "gzip") else piece


def ask(client: RudeClient, target: str, version: str) -> None:
    """Send a GET of HTTP/``version``."""
    client.send(f"GET {target} HTTP/{version}\r\nHost: gateway.test\r\n\r\n".encode())


class Confirmations:
    """What one side says to the other when a piece has arrived; ``wait`` fails where it is not said in time."""

    def __init__(self) -> None:
        self._said: queue.Queue[int] = queue.Queue()
        self._numbers = itertools.count()

    def say(self) -> None:
        self._said.put(next(self._numbers))

    def wait(self) -> None:
        self._said.get(timeout=PATIENCE_SECONDS)


@pytest.fixture(params=[("plain", 1), ("tls1.3", 2)], ids=["plain", "tls-2-workers"])
def stage(request: pytest.FixtureRequest, open_stage: OpenStage) -> Stage:
    listener, workers = request.param
    return open_stage(listener=listener, workers=workers)


def in_lock_step(framing: str, confirmed: Confirmations) -> Callable[[ScriptedConnection], None]:
    """Return a script that makes its next step only when the client has confirmed that it has the one before."""

    def script(connection: ScriptedConnection) -> None:
        connection.send(head_of(framing, pieces_of(framing)))
        confirmed.wait()
        for piece in pieces_of(framing):
            connection.send(framed(framing, piece))
            confirmed.wait()
        connection.send(chunk(b"") if framing in ("chunked", "gzip") else b"")

    return script


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("framing", ["chunked", "length", "close", "gzip"])
def test_upstream_in_lock_step_with_client_is_never_held_back(stage: Stage, framing: str, version: str) -> None:
    """The head arrives while the body is silent, and each chunk before the next one is made, octet for octet."""
    confirmed = Confirmations()
    with stage.scene(in_lock_step(framing, confirmed)) as scene, stage.client() as client:
        ask(client, scene.target, version)
        head, arriving = client.open_response()
        assert head.first_line.endswith(" 200 OK")
        for expected in pieces_of(framing):
            confirmed.say()
            got = b""
            while len(got) < len(expected):
                got += next(arriving)
            assert got == expected
        confirmed.say()
        assert b"".join(arriving) == b""
        assert scene.line()["outcome"] == "complete"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("framing", ["chunked", "length", "close", "gzip"])
def test_chunks_made_200_ms_apart_arrive_200_ms_apart(open_stage: OpenStage, framing: str, version: str) -> None:
    """The pace of the upstream is the pace of the client."""
    pieces = pieces_of(framing)[:3]
    script = [head_of(framing, pieces)]
    for piece in pieces:
        script += [0.2, framed(framing, piece)]
    script += [chunk(b"") if framing in ("chunked", "gzip") else b""]
    stage = open_stage(listener="plain", workers=1)
    with stage.scene(script) as scene, stage.client() as client:
        ask(client, scene.target, version)
        response = client.read_response()
    assert response.complete and [piece for _, piece in response.pieces] == pieces
    assert response.head_seconds < patience(0.15)
    times = [0.0, *(seconds for seconds, _ in response.pieces)]
    assert all(later - earlier < patience(0.35) for earlier, later in itertools.pairwise(times)), times
    assert all(at > 0.2 * number - 0.1 for number, at in enumerate(times)), times


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_head_and_first_chunk_that_came_together_leave_in_one_send(open_stage: OpenStage, framing: str) -> None:
    """One read of the client brings both; TLS makes it exact, as one send is one record."""
    stage = open_stage(listener="tls1.3", workers=2)
    pieces = [b"together", b"later"]
    go_on = Confirmations()

    def script(connection: ScriptedConnection) -> None:
        connection.send(head_of(framing, pieces) + framed(framing, pieces[0]))
        go_on.wait()
        connection.send(framed(framing, pieces[1]) + (chunk(b"") if framing == "chunked" else b""))

    with stage.scene(script) as scene, stage.client() as client:
        client.get(scene.target)
        first_read = client.socket.recv(65_536)
        go_on.say()
    assert first_read.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first_read.partition(b"\r\n\r\n")[2] in (b"together", chunk(b"together"))


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_upload_in_lock_step_with_upstream_is_never_held_back(stage: Stage, framing: str) -> None:
    """The upstream has the request's head before the first octet of the body, and each piece before the next."""
    confirmed = Confirmations()

    def script(connection: ScriptedConnection) -> None:
        confirmed.say()
        for expected in PIECES:
            got = b""
            while len(got) < len(framed(framing, expected)):
                got += connection.read_some()
            assert got == framed(framing, expected)
            confirmed.say()
        if framing == "chunked":
            assert connection.read_some() == chunk(b"")
        connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    with stage.scene(script) as scene, stage.client() as client:
        request = b"PUT %b HTTP/1.1\r\nHost: gateway.test" % scene.target.encode()
        client.send(head_of(framing, PIECES).replace(b"HTTP/1.1 200 OK", request))
        confirmed.wait()
        for piece in PIECES:
            client.send(framed(framing, piece))
            confirmed.wait()
        client.send(chunk(b"") if framing == "chunked" else b"")
        assert client.read_response().status == 201
        assert scene.line()["bytes_up"] == len(b"".join(PIECES))


def test_answer_and_upload_run_side_by_side(stage: Stage) -> None:
    """An upstream that answers each piece of an upload before the next is sent is heard at once."""

    def echo(connection: ScriptedConnection) -> None:
        connection.send(head_of("chunked", []))
        while (octets := connection.read_some()) != chunk(b""):
            connection.send(octets)
        connection.send(octets)

    with stage.scene(echo) as scene, stage.client() as client:
        client.send(f"POST {scene.target} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        _, arriving = client.open_response()
        for piece in (b"ping", b"pong"):
            client.send(chunk(piece))
            assert next(arriving) == piece
        client.send(chunk(b""))
        assert list(arriving) == []
        assert scene.line()["outcome"] == "complete"
