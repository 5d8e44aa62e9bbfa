"""What operators see of running streams, and how they end them: over all workers, whichever of them answers."""

import contextlib
import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.certificates import TlsFiles
from support.conditions import patience, wait_until
from support.framing import PeerClosed
from support.rude_client import RudeClient
from support.scripted_upstream import relays
from support.stage import Scene, Stage

JSON = {"Content-Type": "application/json"}
STREAMS = 200
MOST_OPENED = 60


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, tls_files: TlsFiles) -> Iterator[Stage]:
    """A gateway with two workers and two routes."""
    with Stage(tmp_path_factory.mktemp("live"), tls_files, workers=2, routes={"a": {}, "b": {}}) as stage:
        yield stage


@contextlib.contextmanager
def running(stage: Stage, scene: Scene, count: int = 1, *, both: bool = False) -> Iterator[list[RudeClient]]:
    """Have ``count`` streams run, or as many as it takes until ``both`` workers have one."""
    with contextlib.ExitStack() as stack:
        clients: list[RudeClient] = []
        while len(clients) < count or (both and len({each["worker"] for each in told(stage)["streams"]}) < 2):
            assert len(clients) < max(count, MOST_OPENED), "one of the workers serves nobody"
            client = stack.enter_context(stage.client())
            _, arriving = client.get(scene.target).open_response()
            assert next(arriving).startswith(b"begun")
            clients.append(client)
        yield clients
    wait_until(lambda: told(stage)["total"] == 0, 5, "the end of all streams")


def told(stage: Stage, query: str = "") -> Any:
    answer = stage.gateway.admin(f"/-/streams{query}")
    assert answer.status == 200, answer.text
    return answer.json()


def cancelled(stage: Stage, page: str) -> tuple[int, Any]:
    answer = stage.gateway.admin(f"/-/streams{page}", "DELETE", JSON)
    return answer.status, answer.json()


def answered_by(stage: Stage, worker: int) -> Any:
    """Return a list that ``worker`` itself put together."""
    return wait_until(lambda: next(filter(lambda each: each["worker"] == worker, [told(stage)]), None), 10, "it")


def test_every_worker_tells_the_streams_of_all(stage: Stage) -> None:
    """One question is enough, whichever worker gets it; each row says where its stream runs."""
    with stage.scene(relays, "a") as scene, running(stage, scene, both=True) as clients:
        for worker in stage.gateway.worker_pids():
            listed = answered_by(stage, worker)
            assert listed["total"] == listed["matching"] == len(listed["streams"]) == len(clients)
            assert {each["worker"] for each in listed["streams"]} == set(stage.gateway.worker_pids())
            assert {each["worker"]: each["total"] for each in listed["workers"]}.keys() == set(
                stage.gateway.worker_pids()
            )
            assert listed["unanswered"] == []
            for pid in stage.gateway.worker_pids():  # Each looks at its clock when it is asked.
                ages = [each["age_seconds"] for each in listed["streams"] if each["worker"] == pid]
                assert ages == sorted(ages, reverse=True)


def test_a_row_says_how_a_stream_fares(stage: Stage) -> None:
    """Where it is, whom it waits for, how long ago something came, and at the second look its rate."""
    with stage.scene(relays, "a") as scene, running(stage, scene):
        (first,) = told(stage)["streams"]
        time.sleep(1.1)  # Looks that follow each other sooner are one.
        (second,) = told(stage)["streams"]

    assert (first["route"], first["upstream"], first["phase"], first["status"]) == ("a", "up", "relay", 200)
    assert first["rate_bytes_per_second"] is None
    assert 20 < second["rate_bytes_per_second"] < 120  # 4 octets each 50 ms
    assert second["bytes_down"] > first["bytes_down"] > 0
    assert (second["waits_for"], second["stalls"], second["attempts"]) == ("upstream", 0, 1)
    assert 0 <= second["last_chunk_seconds_ago"] < patience(1)
    assert 0 <= second["first_byte_seconds"] < second["age_seconds"]


def test_a_stream_is_cancelled_whichever_worker_is_asked(stage: Stage) -> None:
    """Each of both is ended by a question that any worker may have got; a second one finds nothing."""
    with stage.scene(relays, "a") as scene, running(stage, scene, both=True) as clients:
        for stream in told(stage)["streams"]:
            assert cancelled(stage, f"/{stream['id']}")[0] == 200
        for client in clients:
            assert client.wait_closed() in ("eof", "reset")
        status, content = cancelled(stage, "/none")
    assert (status, content["title"], content["unanswered"]) == (404, "No such stream", [])


def test_many_are_cancelled_by_what_they_have_in_common_and_nobody_else(stage: Stage) -> None:
    """All of a route in all workers end; those of another route go on."""
    with (
        stage.scene(relays, "a") as scene,
        stage.scene(relays, "b") as others,
        running(stage, others),
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(stage.client()) for _ in range(12)]
        for client in clients:
            client.get(scene.target).read_until_head()
        assert told(stage, "?route=a")["matching"] == 12
        assert cancelled(stage, "?route=a")[1]["cancelled"] == 12
        for client in clients:
            assert client.wait_closed() in ("eof", "reset")
        left = wait_until(lambda: _just_one(told(stage)), 5, "the end of the others")
        assert left["route"] == "b"


def _just_one(listed: Any) -> Any:
    return listed["streams"][0] if listed["total"] == 1 else None


@pytest.mark.parametrize("query", ["", "?", "?limit=3", "?rout=a", "?route=", "?older_than=soon", "?phase=relaying"])
def test_cancelling_what_was_not_said_clearly_ends_nothing(stage: Stage, query: str) -> None:
    """Without a filter, or with one that is misspelt, nobody is ended."""
    with stage.scene(relays, "a") as scene, running(stage, scene):
        status, content = cancelled(stage, query)
        assert (status, content["title"]) == (400, "Bad filter")
        assert told(stage)["total"] == 1


def test_filters_choose_and_the_limit_bounds(stage: Stage) -> None:
    """What matches is counted in full, however few are listed."""
    with stage.scene(relays, "a") as scene, running(stage, scene, 6):
        assert told(stage, "?route=b")["matching"] == 0
        assert told(stage, "?route=b&route=a&upstream=up&phase=relay")["matching"] == 6
        assert told(stage, "?older_than=1h")["streams"] == []
        few = told(stage, "?limit=2")
        assert (few["matching"], len(few["streams"])) == (6, 2)
        everyone = told(stage)["streams"]
        assert [each["id"] for each in few["streams"]] == [each["id"] for each in everyone[:2]]


def test_a_worker_that_is_stopped_is_named_and_holds_up_nothing(stage: Stage) -> None:
    """The reply comes within seconds with what the others have; once it goes on, it does not do late what was asked."""
    with stage.scene(relays, "a") as scene, running(stage, scene, both=True):
        held = next(each for each in told(stage)["streams"])
        stopped, other = held["worker"], next(pid for pid in stage.gateway.worker_pids() if pid != held["worker"])
        os.kill(stopped, signal.SIGSTOP)
        try:
            listed, status, content = _asked_of_who_can_answer(stage, f"/{held['id']}")
            assert listed["unanswered"] == [stopped]
            assert {each["worker"] for each in listed["streams"]} == {other}
            assert (status, content["unanswered"], content["cancelled"]) == (504, [stopped], 0)
        finally:
            os.kill(stopped, signal.SIGCONT)
        listed = wait_until(lambda: _whole(told(stage)), 10, "both workers to answer")
        assert held["id"] in {each["id"] for each in listed["streams"]}


def _whole(listed: Any) -> Any:
    return listed if not listed["unanswered"] else None


def _asked_of_who_can_answer(stage: Stage, page: str) -> tuple[Any, int, Any]:
    """Return the list, and what DELETE of ``page`` says on the same connection: each within 4 s.

    The kernel gives connections to the worker that is stopped, too, which would do late what it was asked directly.
    """
    for _ in range(40):
        connection = http.client.HTTPConnection(*stage.gateway.admin_address, timeout=4)
        with contextlib.closing(connection), contextlib.suppress(TimeoutError):
            connection.request("GET", "/-/streams")
            listed = json.loads(connection.getresponse().read())
            connection.auto_open = 0
            connection.request("DELETE", f"/-/streams{page}", headers=JSON)
            answer = connection.getresponse()
            return listed, answer.status, json.loads(answer.read())
    raise AssertionError("no worker ever answered")


def test_the_successor_of_a_worker_takes_its_place(stage: Stage) -> None:
    """It is asked as the one before was; the one that died is asked no more."""
    victim = stage.gateway.worker_pids()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in (pids := stage.gateway.worker_pids()) and len(pids) == 2, 10, "a new worker")
    wait_until(
        lambda: {each["worker"] for each in told(stage)["workers"]} == set(stage.gateway.worker_pids()), 10, "both"
    )
    with stage.scene(relays, "a") as scene, running(stage, scene, both=True):
        assert told(stage)["unanswered"] == []


def test_two_hundred_streams_are_listed_and_ended_at_once(stage: Stage) -> None:
    """All are told once, and one request ends them all."""
    with stage.scene(relays, "a") as scene, running(stage, scene, STREAMS) as clients:
        listed = told(stage)
        assert len({each["id"] for each in listed["streams"]}) == STREAMS
        assert cancelled(stage, "?phase=relay&older_than=0s")[1]["cancelled"] == STREAMS
        for client in clients:
            with contextlib.suppress(PeerClosed):
                assert client.wait_closed() in ("eof", "reset")
