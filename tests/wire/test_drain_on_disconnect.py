"""Reading on for a client that left: to the end of its answer, for the record; its connection goes back at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.conditions import patience, stays, wait_until
from support.gateway_process import Gateway, Line, route_to
from support.kernel import unread_octets_from
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, ScriptedUpstream, chunk, hang, play, read_request, reset
from support.stage import OpenStage, Scene, Stage
from wire.test_client_leaves import CHUNKED, MANNERS

ROUTES = {
    "drain": {"stream": {"on_disconnect": "drain"}},
    "brief": {"stream": {"on_disconnect": "drain", "drain": "400ms"}},
    "idle": {"stream": {"on_disconnect": "drain"}, "timeouts": {"idle": "400ms"}},
    "impatient": {"stream": {"on_disconnect": "drain"}, "timeouts": {"first_byte": "400ms"}},
    "write": {"stream": {"on_disconnect": "drain"}, "timeouts": {"write": "300ms"}},
    "usage-abort": {"stream": {"on_disconnect": "drain", "format": "openai", "complete": "terminal"}},
    "usage-frame": {
        "stream": {"on_disconnect": "drain", "format": "openai", "complete": "terminal", "on_error": "frame"}
    },
    "retry": {
        "stream": {"on_disconnect": "drain"},
        "retry": {"attempts": 3, "on": [503, "reset", "timeout"], "budget": "off"},
        "timeouts": {"first_byte": "2s"},  # The client has to be gone by then, also where the machine is busy.
    },
}
TICK = b"tick" * 100
LISTENERS = ("plain", "tls1.3")


class Cue:
    """Lets a script go on when its test says so."""

    def __init__(self) -> None:
        self._said = threading.Event()

    def __call__(self, connection: ScriptedConnection) -> None:
        while not self._said.is_set():
            connection.pause(0.01)

    def say(self) -> None:
        self._said.set()


@pytest.fixture
def cue() -> Cue:
    return Cue()


@pytest.fixture
def stage(open_stage: OpenStage) -> Iterator[Stage]:
    with open_stage(routes=ROUTES).left_as_found() as stage:
        yield stage


def waits_for_its_client(stage: Stage) -> None:
    """Return when octets of the upstream stay with the gateway's kernel."""
    while not stays(lambda: unread_octets_from(stage.upstream.port) > 0, 0.1):
        pass


def told(line: Line) -> tuple[object, ...]:
    return line["outcome"], line["failure"], line.get("drained")


def leaves(stage: Stage, leave: Callable[[], object]) -> None:
    """Let a client leave: its connection goes back at once, while the upstream still works."""
    leave()
    wait_until(lambda: stage.gateway.open_client_connections() == 0, 5, "the end of the client's connection")
    assert stage.upstream.open_connections == 1
    assert stage.live_streams() == 1


def got_a_tick(client: RudeClient, scene: Scene) -> None:
    client.get(scene.target)
    assert next(client.open_response()[1]).startswith(TICK)


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("manner", MANNERS)
def test_client_that_leaves_a_silent_stream(open_stage: OpenStage, cue: Cue, listener: str, manner: str) -> None:
    """What comes later is read to its end; what went down and what did not are told apart."""
    with open_stage(routes=ROUTES, listener=listener).left_as_found() as stage:
        script: Script = [CHUNKED, chunk(TICK), cue, chunk(TICK), chunk(TICK), 0.1, chunk(TICK), chunk(b"")]
        with stage.scene(script, "drain") as scene, stage.client() as client:
            got_a_tick(client, scene)
            leaves(stage, lambda: MANNERS[manner](client))
            cue.say()
            line = scene.line()
        assert told(line) == ("client_gone", "client_gone", "complete")
        assert (line["status"], line["bytes_down"], line["drained_bytes"]) == (200, len(TICK), 3 * len(TICK))
        assert line["chunks"] == 1


@pytest.mark.parametrize("on_error", ["abort", "frame"])
@pytest.mark.parametrize("whole", [True, False])
def test_record_knows_what_the_answer_has_cost(stage: Stage, cue: Cue, on_error: str, whole: bool) -> None:
    """The usage that comes last is what reading on is for; an answer that broke off is told apart."""
    content = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
    last = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    last += b'"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}\n\ndata: [DONE]\n\n'
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n")
    script: Script = [head, chunk(content), cue, chunk(content), *([chunk(last), chunk(b"")] if whole else [])]
    with stage.scene(script, f"usage-{on_error}") as scene, stage.client() as client:
        client.get(scene.target)
        assert next(client.open_response()[1]) == content
        leaves(stage, client.leave)
        cue.say()
        line = scene.line()
    assert told(line) == ("client_gone", "client_gone", "complete" if whole else "cut")
    assert (line.get("total_tokens"), line["frames"]) == ((21, 4) if whole else (None, 2))


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("manner", MANNERS)
def test_client_that_leaves_bulk_it_does_not_take(open_stage: OpenStage, listener: str, manner: str) -> None:
    """Its connection is closed under the write that waits for it: that is the client's doing, and no defect."""
    count, data, waits = 400, bytes(64 * 1024), 2
    with open_stage(routes=ROUTES, listener=listener).left_as_found() as stage:
        script: Script = [CHUNKED, *[chunk(data)] * count, chunk(b"")]
        with stage.scene(script, "drain") as scene, stage.client(receive_buffer=32 * 1024) as client:
            client.get(scene.target)
            body = client.open_response()[1]
            for _ in range(waits):  # The second wait is sure to begin after the watch on the client.
                taken = 0
                while taken < len(data) * count / 8:
                    taken += len(next(body))
                waits_for_its_client(stage)
            MANNERS[manner](client)
            line = scene.line()
        assert told(line) == ("client_gone", "client_gone", "complete")
        assert line["drained_bytes"] > 0


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("pause", [0.0, 0.01])
def test_client_that_leaves_while_it_is_sent_to(stage: Stage, manner: str, pause: float) -> None:
    """Whoever meets it first, its watch or a write that fails: no octet of the upstream's is missed."""
    count = 60

    def script(connection: ScriptedConnection) -> None:
        connection.send(CHUNKED)
        for _ in range(count):
            connection.send(chunk(TICK))
            connection.pause(pause)
        connection.send(chunk(b""))

    with stage.scene(script, "drain") as scene, stage.client() as client:
        got_a_tick(client, scene)
        MANNERS[manner](client)
        line = scene.line()
    if line["outcome"] == "client_gone":
        assert line["drained"] == "complete"
        assert line["bytes_down"] + line["drained_bytes"] == count * len(TICK)
    else:
        assert (line["outcome"], pause) == ("complete", 0.0)  # It was quicker than the client.


def test_client_that_leaves_before_the_head(stage: Stage, cue: Cue) -> None:
    """The attempt goes on; no head goes out, so there is no status."""
    with stage.scene([cue, CHUNKED, chunk(TICK), 0.1, chunk(TICK), chunk(b"")], "drain") as scene:
        with stage.client() as client:
            client.get(scene.target)
            scene.connection()
            leaves(stage, client.leave)
        cue.say()
        line = scene.line()
    assert told(line) == ("client_gone", "client_gone", "complete")
    assert (line["status"], line["bytes_down"], line["drained_bytes"]) == (None, 0, 2 * len(TICK))
    assert (line["head_ms"] is not None, line["attempts"]) == (True, 1)


@pytest.mark.parametrize(
    ("route", "script", "how"),
    [
        ("brief", [CHUNKED, hang], "timeout"),
        ("brief", [hang], "timeout"),
        ("idle", [CHUNKED, hang], "timeout"),
        ("impatient", [hang], "timeout"),
        ("drain", [CHUNKED, 0.2, reset], "cut"),
        ("drain", [CHUNKED, 0.2, chunk(TICK), 0.1], "cut"),
        ("drain", [0.2], "cut"),
    ],
)
def test_reading_on_ends(stage: Stage, route: str, script: Script, how: str) -> None:
    """After `drain`, by the route's timeouts, or where the upstream breaks; the client's leaving stays the reason."""
    with stage.scene(script, route) as scene:
        with stage.client() as client:
            client.get(scene.target)
            if scene.script[0] == CHUNKED:  # type: ignore[index]
                client.read_until_head()
            scene.connection()
        line = scene.line(2)
    assert told(line) == ("client_gone", "client_gone", how)
    assert 150 <= line["total_ms"] < 1000 * patience(1)


def test_drip_does_not_outlive_the_bound(stage: Stage) -> None:
    """`drain` is for all that is left, not for each wait."""

    def drip(connection: ScriptedConnection) -> None:
        connection.send(CHUNKED)
        while True:
            connection.send(chunk(TICK))
            connection.pause(0.02)

    with stage.scene(drip, "brief") as scene, stage.client() as client:
        got_a_tick(client, scene)
        client.leave()
        line = scene.line(2)
    assert told(line) == ("client_gone", "client_gone", "timeout")
    assert line["total_ms"] < 1000 * patience(1)


@pytest.mark.parametrize(
    "script", [[b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"], [reset], [hang]], ids=["503", "reset", "timeout"]
)
def test_nobody_is_asked_again_for_a_client_that_left(stage: Stage, cue: Cue, script: list[object]) -> None:
    """The attempt that was under way is the last one."""
    with stage.scene([cue, *script], "retry") as scene:  # type: ignore[list-item]
        with stage.client() as client:
            client.get(scene.target)
            scene.connection()
        wait_until(lambda: stage.gateway.open_client_connections() == 0, 5, "the end of the client's connection")
        cue.say()
        line = scene.line()
        assert len(scene.connections) == 1
    assert (line["outcome"], line["attempts"], line["status"]) == ("client_gone", 1, None)


@pytest.mark.parametrize("script", [[b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"], [reset]], ids=["503", "reset"])
def test_nobody_is_asked_again_for_a_client_that_has_left_just_now(stage: Stage, script: Script) -> None:
    """Also where the attempt fails before anything of the gateway's has looked at the client's connection."""
    for _ in range(10):
        cue = Cue()
        with stage.scene([cue, *script], "retry") as scene:  # type: ignore[misc, list-item]
            with stage.client() as client:
                client.get(scene.target)
                scene.connection()
            cue.say()
            line = scene.line()
            assert len(scene.connections) == 1
        assert (line["outcome"], line["attempts"], line["status"]) == ("client_gone", 1, None)


def test_client_that_stops_reading_is_read_on_for(stage: Stage) -> None:
    """It is cut off as ever, and then gone like any other."""
    pieces = 400

    def script(connection: ScriptedConnection) -> None:
        connection.send(CHUNKED)
        for _ in range(pieces):
            connection.send(chunk(bytes(65_536)))
        connection.send(chunk(b""))

    with stage.scene(script, "write") as scene, stage.client(receive_buffer=4096) as client:
        client.get(scene.target)
        line = scene.line(10)
    assert told(line) == ("client_stalled", "client_stalled", "complete")
    # Of the piece that it was stuck in, the client may have got a part.
    assert line["bytes_down"] + line["drained_bytes"] == pieces * 65_536


def test_client_that_leaves_its_own_upload_ends_the_exchange(stage: Stage) -> None:
    """Half a request has no answer to be read."""
    with stage.scene(hang, "drain") as scene:
        with stage.client() as client:
            client.send(f"PUT {scene.target} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf".encode())
            connection = scene.connection()
        wait_until(lambda: not connection.is_open, 1, "the end of the upstream connection")
        assert "drained" not in scene.line()


def test_exchange_that_nobody_leaves_has_nothing_to_tell(stage: Stage) -> None:
    """The keys are there only where it happened."""
    with stage.scene([CHUNKED, chunk(TICK), chunk(b"")], "drain") as scene, stage.client() as client:
        assert client.get(scene.target).read_response().body == TICK
        assert client.get(scene.target).read_response().body == TICK  # The connection goes on.
        line = scene.line()
    assert (line["outcome"], "drained" in line, "drained_bytes" in line) == ("complete", False, False)


def test_hundred_clients_leave_and_each_is_recorded(stage: Stage, cue: Cue) -> None:
    """Nothing is left of them but a hundred lines."""
    count = 100
    already = len(stage.gateway.log_lines())
    with stage.scene([CHUNKED, chunk(TICK), cue, chunk(TICK), chunk(b"")], "drain") as scene:
        clients = [stage.client() for _ in range(count)]
        for client in clients:
            client.get(scene.target)
        for client in clients:
            assert next(client.open_response()[1]) == TICK
        for number, client in enumerate(clients):
            list(MANNERS.values())[number % len(MANNERS)](client)
        wait_until(lambda: stage.gateway.open_client_connections() == 0, 5, "the end of all client connections")
        assert stage.live_streams() == count
        cue.say()
        wait_until(lambda: len(stage.gateway.log_lines()) == already + count, 10, "all lines")
    lines = stage.gateway.log_lines()[already:]
    assert {told(line) for line in lines} == {("client_gone", "client_gone", "complete")}
    assert {(line["bytes_down"], line["drained_bytes"]) for line in lines} == {(len(TICK), len(TICK))}


def test_shutdown_ends_it_at_its_own_time(tmp_path: Path) -> None:
    """`drain_timeout` holds for those that read on, too."""
    asked = threading.Event()
    script: list[object] = [read_request, CHUNKED, chunk(TICK), lambda connection: asked.set(), hang]
    with ScriptedUpstream(lambda connection: play(script, connection)) as upstream:  # type: ignore[arg-type]
        toml = route_to(upstream.url, stream={"on_disconnect": "drain"})
        with Gateway(toml, tmp_path, server={"drain_timeout": "500ms"}) as started:
            with RudeClient(started.address) as client:
                client.get("/")
                assert next(client.open_response()[1]) == TICK
            wait_until(lambda: started.open_client_connections() == 0, 2, "the end of the client's connection")
            started.signal(signal.SIGTERM)
            assert started.wait(5) == 0
            assert told(started.wait_for_line()) == ("client_gone", "client_gone", "shutdown")
