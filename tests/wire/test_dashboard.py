"""The dashboard and its figures over real sockets, in a gateway with two workers."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import StartGateway
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.gateway_process import Gateway, route_to, toml_table
from support.ports import free_port
from support.rude_client import RudeClient
from support.scripted_upstream import relays
from support.stage import Scene, Stage

MOST_OPENED = 60
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfew"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, tls_files: TlsFiles) -> Iterator[Stage]:
    """A gateway with two workers and two routes."""
    with Stage(tmp_path_factory.mktemp("dashboard"), tls_files, workers=2, routes={"a": {}, "b": {}}) as stage:
        yield stage


def told(running: Gateway, view: str) -> Any:
    answer = running.admin(f"/-/{view}")
    assert answer.status == 200, answer.text
    return answer.json()


@contextlib.contextmanager
def in_both(stage: Stage, scene: Scene) -> Iterator[list[RudeClient]]:
    """Have streams run until both workers have one."""
    with contextlib.ExitStack() as stack:
        clients: list[RudeClient] = []
        while len({each["worker"] for each in told(stage.gateway, "streams")["streams"]}) < 2:
            assert len(clients) < MOST_OPENED, "one of the workers serves nobody"
            clients.append(stack.enter_context(stage.client()))
            clients[-1].get(scene.target).read_until_head()
        yield clients
    wait_until(lambda: told(stage.gateway, "streams")["total"] == 0, 5, "the end of all streams")


def test_every_worker_shows_the_streams_of_all_and_ends_them(stage: Stage) -> None:
    """A page and its button work whichever worker the browser happens to reach."""
    own = {"Origin": "http://{}:{}".format(*stage.gateway.admin_address)}
    with stage.scene(relays, "a") as scene, in_both(stage, scene) as clients:
        streams = told(stage.gateway, "streams")["streams"]
        page = stage.gateway.admin("/-/").text
        assert all(f'id="s-{each["id"]}"' in page for each in streams)
        assert f">Open streams <small>{len(streams)}<" in page
        for each in streams:
            connection = http.client.HTTPConnection(*stage.gateway.admin_address, timeout=15)
            with contextlib.closing(connection):
                connection.request("POST", f"/-/end?id={each['id']}", "", FORM | own)
                answer = connection.getresponse()
                assert (answer.status, answer.headers["Location"]) == (303, "/-/?sort=age&ended=ended")
        for client in clients:
            assert client.wait_closed() in ("eof", "reset")


def test_figures_are_those_of_both_workers(stage: Stage) -> None:
    """What ended, what failed and why, and how long first bytes took: each exchange counts once."""
    before = next(each for each in told(stage.gateway, "routes")["routes"] if each["name"] == "b")
    with stage.scene(CUT, "b") as cut, stage.scene(WHOLE, "b") as whole:
        for scene, number in ((cut, 6), (whole, 14)):
            for _ in range(number):
                with stage.client() as client:
                    client.get(scene.target + "?key=sk-4711").read_response()

    def after() -> Any:
        row = next(each for each in told(stage.gateway, "routes")["routes"] if each["name"] == "b")
        return row if row["ended"] - before["ended"] >= 20 else None

    row = wait_until(after, 5, "all twenty")
    assert (row["ended"] - before["ended"], row["failed"] - before["failed"]) == (20, 6)
    assert row["first_bytes"] - before["first_bytes"] == 20
    assert 0 < row["first_byte_p50_ms"] <= row["first_byte_p95_ms"] < 5000
    assert row["state"] == "ok"

    failures = [each for each in told(stage.gateway, "failures")["failures"] if each["route"] == "b"]
    assert len(failures) == 6
    assert {(each["failure"], each["outcome"], each["status"]) for each in failures} == {("body_cut", "truncated", 200)}
    assert {each["target"] for each in failures} == {f"{cut.target}?key=***"}
    page = stage.gateway.admin("/-/").text
    assert "body_cut" in page and "sk-4711" not in page


def test_traffic_tells_the_last_hour_in_columns_of_one_length(stage: Stage) -> None:
    """Nothing is known of the time before the gateway began, and after ten seconds something is of now."""
    with stage.scene(WHOLE, "a") as scene:
        wait_until(
            lambda: _served(stage, scene) and told(stage.gateway, "traffic")["open"][-1] is not None, 25, "a point"
        )
    traffic = wait_until(lambda: _busy(told(stage.gateway, "traffic")), 25, "the point of that exchange")
    assert {len(column) for column in traffic.values() if isinstance(column, list) and len(column) > 2} == {360}
    assert traffic["open"][0] is None
    assert max(filter(None, traffic["first_byte_p95_ms"])) > 0


def _served(stage: Stage, scene: Scene) -> bool:
    with stage.client() as client:
        return client.get(scene.target).read_response().complete


def _busy(traffic: Any) -> Any:
    return traffic if any(traffic["ended_per_second"][-3:]) else None


def test_upstreams_of_all_workers_add_up(stage: Stage) -> None:
    """The page of one worker tells what it knows, this one what all do."""
    everywhere = told(stage.gateway, "upstreams/all")
    assert sorted(everywhere["workers"]) == sorted(stage.gateway.worker_pids())
    (endpoint,) = everywhere["upstreams"][0]["endpoints"]
    assert endpoint["workers"] == {"unhealthy": 0, "tripped": 0, "probing": 0, "available": 2}
    assert endpoint["attempts"] >= told(stage.gateway, "upstreams")["upstreams"][0]["endpoints"][0]["attempts"]


def test_a_stopped_worker_holds_up_neither_the_head_of_the_page_nor_the_rest(stage: Stage) -> None:
    """The page begins before anybody was asked, says who does not answer, and is whole."""
    stopped = stage.gateway.worker_pids()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        first, page = _page_of_who_can_answer(stage)
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert b"<main>" in first and b"Worker" not in first
    assert f"Worker {stopped} does not answer" in page
    assert 'id="failures-heading"' in page and page.rstrip().endswith("</html>")
    wait_until(lambda: "does not answer" not in stage.gateway.admin("/-/").text, 10, "both workers to answer")


def _page_of_who_can_answer(stage: Stage) -> tuple[bytes, str]:
    """Return the first chunk of the page and all of it. The kernel gives connections to the stopped worker, too."""
    for _ in range(40):
        with contextlib.suppress(TimeoutError), RudeClient(stage.gateway.admin_address, timeout_seconds=4) as client:
            _, pieces = client.get("/-/", host="localhost").open_response()
            first = next(pieces)
            return first, (first + b"".join(pieces)).decode()
    raise AssertionError("no worker ever answered")


def test_assets_come_from_the_package_with_type_and_caching(stage: Stage) -> None:
    """All that the page names is there."""
    page = stage.gateway.admin("/-/").text
    addresses = {part.partition('"')[0] for part in page.replace('href="', 'src="').split('src="')[1:]}
    for address in sorted(each for each in addresses if each.startswith("/-/assets/")):
        answer = stage.gateway.admin(address)
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "private, max-age=31536000, immutable"), (
            address
        )
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_a_person_shows_a_token_as_password(gateway: StartGateway) -> None:
    """The browser is asked for one, sees the page with it, and no button without the right to control."""
    reader = "reader-" + "4711" * 8
    tokens = [{"name": "reader", "sha256": hashlib.sha256(reader.encode()).hexdigest()}]
    running = gateway(route_to("http://127.0.0.1:9"), admin={"tokens": tokens})
    shows = {"Authorization": "Basic " + base64.b64encode(f"me:{reader}".encode()).decode(), "Accept": "text/html"}

    refused = running.admin("/-/", headers={"Accept": "text/html"})
    assert refused.status == 401 and "Basic" in refused.headers["WWW-Authenticate"]
    assert running.admin("/-/", headers=shows).status == 200
    own = {"Origin": "http://{}:{}".format(*running.admin_address)}
    assert running.admin("/-/end", "POST", shows | own | FORM).status == 403


def test_the_configuration_is_told_as_it_holds_with_secrets_masked(gateway: StartGateway) -> None:
    """With the place of each value, also after a reload, and without anything that a reference brought."""
    running = gateway(
        route_to("http://127.0.0.1:9", upstream={"credentials": {"bearer": "${env:PLANTED}"}}),
        environment={"PLANTED": "planted-4711-planted"},
        server={"workers": 2},
    )
    whole = running.admin("/-/config").text + running.admin("/-/").text
    assert "planted-4711" not in whole

    listen = _setting(running, "[server]", "listen")
    assert listen["value"] == json.dumps([f"127.0.0.1:{running.address[1]}"])
    assert listen["origin"] == f"{running.file}:2"
    assert _route_name(running) == '"all"'

    running.write(
        route_to(f"http://127.0.0.1:{free_port()}", name="another") + toml_table("defaults.timeouts", {"idle": "77s"})
    )
    assert running.admin("/-/reload", "POST", {"Content-Type": "application/json"}).status == 200
    # The other worker follows within a moment.
    wait_until(lambda: all(_route_name(running) == '"another"' for _ in range(8)), 5, "both workers to adopt it")
    assert "1m17s" in running.admin("/-/").text


def _route_name(running: Gateway) -> str:
    name: str = _setting(running, "[[routes]]", "name")["value"]
    return name


def _setting(running: Gateway, table: str, name: str) -> Any:
    tables = told(running, "config")["tables"]
    found = next(each for each in tables if each["table"] == table)
    return next(each for each in found["settings"] if each["name"] == name)


def test_a_gateway_without_a_file_tells_its_configuration_too(tmp_path: Path) -> None:
    """What `gateway proxy` was told on the command line."""
    admin = ("127.0.0.1", free_port())
    command = [sys.executable, "-m", "gateway", "proxy", "--to", "http://127.0.0.1:9"]
    command += ["--listen", f"127.0.0.1:{free_port()}", "--admin", f"127.0.0.1:{admin[1]}"]
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=silent, stdout=silent)

    def asked() -> Any:
        connection = http.client.HTTPConnection(*admin, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", "/-/config")
            return json.loads(connection.getresponse().read())
        return None

    try:
        tables = wait_until(asked, 15, "an answer")["tables"]
        assert next(each for each in tables if each["table"] == "[upstreams.to]")
    finally:
        process.terminate()
        process.wait(timeout=15)
