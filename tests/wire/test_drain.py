"""Stopping: what runs may end in peace, what does not end is ended by name, and nothing goes without a line."""

import json
import queue
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.certificates import TlsFiles
from support.conditions import patience, wait_until
from support.framing import PeerClosed
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import chunk, hang
from support.stage import Stage

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PATIENT = {"drain_timeout": "20s"}
HASTY = {"drain_timeout": "700ms"}

StartStage = Callable[[dict[str, str]], Stage]


@pytest.fixture(params=[("plain", 1), ("tls1.3", 2)], ids=["plain", "tls-2-workers"])
def stages(request: pytest.FixtureRequest, tmp_path: Path, tls_files: TlsFiles) -> StartStage:
    listener, workers = request.param

    def make(server: dict[str, str]) -> Stage:
        return Stage(tmp_path / "stage", tls_files, listener=listener, workers=workers, server=server)

    return make


class Paced:
    """A stream that goes on when the test says so and ends when the test says so."""

    def __init__(self) -> None:
        self.steps: queue.Queue[bytes] = queue.Queue()

    def __call__(self, connection: ScriptedConnection) -> None:
        connection.send(CHUNKED + chunk(b"begun"))
        while piece := self.steps.get(timeout=20):
            connection.send(chunk(piece))
        connection.send(chunk(b""))


def wait_until_draining(stage: Stage) -> None:
    def says_no() -> bool:
        try:
            return stage.gateway.admin("/-/ready").status == 503
        except OSError:  # Asked a worker that had nothing to wait for and has just gone.
            return False

    wait_until(says_no, 2, "readiness to say no")


def test_running_streams_end_in_peace_and_new_requests_are_refused(stages: StartStage) -> None:
    """Readiness turns to 503, idle connections end at once, new requests get 503, the stream loses nothing."""
    paced = Paced()
    with stages(PATIENT) as stage, stage.scene(paced) as scene, stage.client() as running:
        with stage.client() as idle, stage.client() as silent:
            assert idle.get("/nowhere").read_response().status == 404
            arriving = running.get(scene.target).open_response()[1]
            assert next(arriving) == b"begun"
            stage.gateway.signal(signal.SIGTERM)
            wait_until_draining(stage)
            assert idle.wait_closed(1) == "eof"
            wait_until(lambda: stage.gateway.stderr().count("has stopped") == stage.workers - 1, 5, "the idle worker")
            refusals = 1
            try:
                refused(silent, scene.target)
                refusals += 1
            except PeerClosed as end:  # It was with the worker that had no stream to wait for.
                assert (stage.workers, end.ending) == (2, "eof")
        with stage.client() as newcomer:
            refused(newcomer, scene.target)
        ready = stage.gateway.admin("/-/ready").json()
        assert ready["ready"] is False and ready["reason"] == "draining"
        for piece in (b"still", b"here"):
            paced.steps.put(piece)
            assert next(arriving) == piece
        paced.steps.put(b"")
        assert list(arriving) == []
        assert running.wait_closed(2) == "eof"
        assert stage.gateway.wait(5) == 0
        lines = stage.gateway.log_lines()
        assert sorted(line["outcome"] for line in lines) == ["complete", "rejected"] + ["rejected"] * refusals
        assert [line["failure"] for line in lines].count("draining") == refusals


def refused(client: RudeClient, target: str) -> None:
    """A request during the drain: 503, and the connection ends behind it."""
    response = client.get(target).read_response()
    assert (response.status, response.complete) == (503, True)
    assert json.loads(response.body)["code"] == "draining"
    assert (response.first("connection"), response.first("retry-after")) == ("close", "1")
    assert client.wait_closed(2) == "eof"


def test_streams_that_do_not_end_are_cut_by_name(stages: StartStage) -> None:
    """At ``drain_timeout`` a stream ends as a visible cut, a request still unanswered gets 503, each with its line."""
    paced = Paced()
    with stages(HASTY) as stage, stage.client() as streaming, stage.client() as waiting:
        with stage.scene(paced) as stream, stage.scene(hang) as unanswered:
            arriving = streaming.get(stream.target).open_response()[1]
            assert next(arriving) == b"begun"
            waiting.get(unanswered.target)
            unanswered.connection()
            stage.gateway.signal(signal.SIGTERM)
            response = waiting.read_response()
            assert (response.status, json.loads(response.body)["code"]) == (503, "drained")
            assert streaming.wait_closed(2) in ("eof", "ragged", "reset")
            assert streaming._inbox.pending == b""  # no last chunk
            assert stage.gateway.wait(5) == 0
            assert (stream.line()["outcome"], stream.line()["failure"]) == ("drained", "drained")
            assert (unanswered.line()["outcome"], unanswered.line()["status"]) == ("drained", 503)
            assert 600 < stream.line()["total_ms"] < 1000 * patience(3)
            paced.steps.put(b"")
        assert len(stage.gateway.log_lines()) == 2
        assert stage.upstream.open_connections == 0


def test_interrupt_ends_everything_at_once_with_a_record(stages: StartStage) -> None:
    """SIGINT, also twice, does not wait for streams; each has its line and looks cut; the exit status is 0."""
    paced = Paced()
    with stages(PATIENT) as stage, stage.scene(paced) as scene, stage.client() as client:
        arriving = client.get(scene.target).open_response()[1]
        assert next(arriving) == b"begun"
        stage.gateway.signal(signal.SIGINT)
        stage.gateway.signal(signal.SIGINT)
        assert client.wait_closed(3) in ("eof", "ragged", "reset")
        assert client._inbox.pending == b""
        assert stage.gateway.wait(5) == 0
        assert (scene.line()["outcome"], len(stage.gateway.log_lines())) == ("drained", 1)
        paced.steps.put(b"")


def test_interrupt_of_the_whole_group_during_a_drain_ends_it(stages: StartStage) -> None:
    """Ctrl-C reaches master and workers; behind a SIGTERM it means: no more patience."""
    paced = Paced()
    with stages(PATIENT) as stage, stage.scene(paced) as scene, stage.client() as client:
        assert next(client.get(scene.target).open_response()[1]) == b"begun"
        stage.gateway.signal(signal.SIGTERM)
        wait_until_draining(stage)
        for pid in [*stage.gateway.worker_pids(), stage.gateway.pid]:
            stage.gateway.signal(signal.SIGINT, pid)
        assert stage.gateway.wait(5) == 0
        assert scene.line()["outcome"] == "drained"
        paced.steps.put(b"")


def test_stop_without_streams_is_quick_and_quiet(stages: StartStage) -> None:
    """Nothing runs: a worker does not wait for connections that ask for nothing; status 0, and no line."""
    with stages(PATIENT) as stage, stage.client() as client:
        stage.gateway.signal(signal.SIGTERM)
        assert stage.gateway.wait(5) == 0
        assert client.wait_closed(1) in ("eof", "reset", "ragged")
        assert stage.gateway.log_lines() == []
        stamps = [line.partition(" ")[2] for line in stage.gateway.stderr().splitlines()]
        (told,) = (stamp for stamp in stamps if "Handling signal: term" in stamp)
        stopped = [stamp for stamp in stamps if "has stopped" in stamp]
        assert max(map(seconds, stopped)) - seconds(told) < patience(1.5)


def seconds(stamp: str) -> float:
    """Return the seconds of a log line's time (``07:00:07,620 INFO ...``) within its hour."""
    clock, _, _ = stamp.partition(" ")
    _, minutes, rest = clock.split(":")
    return 60 * int(minutes) + float(rest.replace(",", "."))
