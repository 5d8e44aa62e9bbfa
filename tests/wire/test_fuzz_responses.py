"""Answers of an upstream made by chance: the client gets one whole answer, a visible cut or a 502, and nobody a rest.

`make fuzz` goes on for longer.
"""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import strategies as st
from support import h11_readings
from support.conditions import wait_until
from support.fuzzing import cuts, fuzz, pieces, responses
from support.rig import Rig, problem_code, request
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, close, for_each_request, read_request, response

_POISON = response(b"evil", "X-Evil: 1")
_GOOD = for_each_request(response(b"good"))
_CODES = {
    "head_invalid", "head_missing", "head_too_large", "upgrade_refused", "first_byte_timeout", "body_invalid",
    "body_cut",
}  # fmt: skip


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    timeouts = {"first_byte": "1s", "idle": "1s"}
    routes: list[dict[str, object]] = [{"timeouts": timeouts}]
    with Rig(tmp_path_factory.mktemp("rig"), routes=routes, upstream={"keepalive": "500ms"}) as rig:
        yield rig


def says(octets: bytes, at: list[int], said: threading.Event) -> Script:
    """Return a step that sends ``octets`` cut at some places, as far as somebody listens."""

    def say(connection: ScriptedConnection) -> None:
        try:
            for piece in pieces(octets, at):
                connection.send(piece)
        except ConnectionError:
            pass  # The gateway has heard enough.
        finally:
            said.set()

    return say


def check_one(rig: Rig, octets: bytes, at: list[int], closes: bool) -> str:
    """Let the upstream answer with ``octets``, then say what nobody asked for, or close; return what it was."""
    said = threading.Event()
    octets += b"" if closes else _POISON
    rig.plays([read_request, says(octets, at, said), close if closes else _GOOD], _GOOD)
    with rig.client(timeout_seconds=5.0) as client:
        answer = client.send(request("GET /first HTTP/1.1", "Connection: close")).read_response()
        assert client.arrivals(5.0) == [], "more than one answer"
    assert said.wait(5.0)
    assert rig.ask(request("GET /other HTTP/1.1")).body == b"good"
    assert all(100 < head_status(head.first_line) < 200 for head in answer.interim), answer.interim
    if answer.all("proxy-status"):
        assert answer.complete
        assert problem_code(answer) in _CODES, answer
        return "refused"
    assert answer.all("connection") == ["close"]
    if not answer.complete:
        return "cut"
    assert h11_readings.answer_in(octets) in (None, (answer.status, answer.body, True)), (octets, answer)
    return "relayed"


def head_status(line: str) -> int:
    """Return the status in a status line."""
    return int(line.split(" ")[1])


def test_whatever_an_upstream_answers_is_one_answer_or_a_visible_cut(rig: Rig) -> None:
    """What the client takes for whole is what h11 reads; no traceback, no descriptor and no exchange is left."""
    rig.answers(response(b"ok"))
    assert rig.ask(request("GET /first HTTP/1.1")).status == 200
    before = quiet(rig)
    outcomes: list[str] = []
    examples = st.tuples(responses(), cuts(), st.booleans())
    fuzz(examples, lambda example: outcomes.append(check_one(rig, *example)), examples=150)
    wait_until(lambda: quiet(rig) <= before, what="every descriptor to be given back")
    assert "Traceback" not in rig.gateway.stderr()
    assert "defect" not in rig.gateway.output()
    assert {"refused", "cut", "relayed"} <= set(outcomes), "the grammar lacks a kind"


def quiet(rig: Rig) -> int:
    """Wait until nothing runs any more; return how many descriptors the gateway holds."""
    rig.plays(_GOOD)
    wait_until(lambda: rig.gateway.admin("/-/ready").json()["streams"] == 0, what="the end of every exchange")
    wait_until(lambda: rig.gateway.open_client_connections() == 0, what="the end of every client connection")
    wait_until(lambda: rig.gateway.open_upstream_connections(rig.upstream.port) == 0, what="the end of the pool")
    return rig.gateway.open_fds()
