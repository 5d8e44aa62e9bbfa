"""Reloading changes what new exchanges get, in every worker, and never touches a running one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import StartGateway, StartUpstream
from support.conditions import wait_until
from support.crowd import Crowd, SlowChorus
from support.gateway_process import Gateway, route_to
from support.rude_client import RudeClient
from support.scripted_upstream import response

STREAMS = 200
RELOADS = 50
PIECE = b"data: tick\n\n"

WORKERS = pytest.mark.parametrize("workers", [1, 2])


def reload(running: Gateway) -> "subprocess.CompletedProcess[str]":
    """Run `gateway reload`; return what it said."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", "reload", "-c", str(running.file)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def adopt(running: Gateway, workers: int, offered: int) -> None:
    """Tell the gateway by signal; return when each worker was offered ``offered`` configurations."""
    running.signal(signal.SIGHUP)
    told: set[int] = set()

    def all_were() -> bool:
        state = running.admin("/-/ready").json()
        if state["configuration"]["offered"] == offered:
            told.add(state["worker"])
        return len(told) == workers

    wait_until(all_were, 10, f"configuration {offered} in every worker")


def status_of(running: Gateway, target: str) -> int:
    with RudeClient(running.address) as client:
        return client.get(target).read_response().status


@pytest.mark.slow
@pytest.mark.timeout(180)
@WORKERS
def test_two_hundred_streams_live_through_fifty_reloads(gateway: StartGateway, workers: int) -> None:
    """No stream is cut; after each reload a request sees the new route and the old one is gone, in every worker."""
    with SlowChorus() as upstream:
        running = gateway(route_to(upstream.url, path="/generation-0/"), server={"workers": workers})
        with Crowd(running.address, PIECE) as crowd:
            for _ in range(STREAMS):
                crowd.join("/generation-0/")
            wait_until(lambda: upstream.streams == STREAMS, 30, "all streams")
            for generation in range(1, RELOADS + 1):
                running.write(route_to(upstream.url, path=f"/generation-{generation}/"))
                adopt(running, workers, generation + 1)
                assert [status_of(running, f"/generation-{generation - 1}/") for _ in range(3)] == [404] * 3
                if generation % 10 == 0:
                    upstream.say(PIECE)
                    wait_until(crowd.all_heard(generation // 10), 20, "all streams to go on")
            upstream.finish()
            wait_until(lambda: all(crowd.ended), 20, "all streams to end well")
        wait_until(lambda: len(running.log_lines()) >= STREAMS + 3 * RELOADS, 20, "all lines")
        outcomes = [line["outcome"] for line in running.log_lines() if line["target"] == "/generation-0/"]
        assert outcomes.count("complete") == STREAMS


def test_a_bad_file_changes_nothing_and_readiness_says_so(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """The configuration before goes on, the problem is logged with its place, and a mended file is adopted."""
    upstream = scripted_upstream(response(b"ok"))
    running = gateway(route_to(upstream.url))
    good = running.file.read_text()
    running.file.write_text(good + "colour = 1\n")

    refused = reload(running)
    running.signal(signal.SIGHUP)
    wait_until(lambda: running.admin("/-/ready").json()["configuration"]["rejected"], 5, "readiness to say so")

    assert refused.returncode == 1
    assert "routes.all.colour: unknown key" in refused.stderr
    assert "routes.all.colour: unknown key" in running.stderr()
    assert running.admin("/-/ready").status == 200
    assert status_of(running, "/") == 200

    running.file.write_text(good)
    assert reload(running).returncode == 0
    assert running.admin("/-/ready").json()["configuration"]["rejected"] is None


def test_a_running_stream_keeps_the_timeouts_it_began_with(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """A shorter idle timeout counts for new exchanges only."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    upstream = scripted_upstream([lambda connection: connection.read_head(), head + b"begun", lambda c: c.hang()])
    running = gateway(route_to(upstream.url, timeouts={"idle": "60s"}))
    with RudeClient(running.address) as old, RudeClient(running.address) as new:
        old.get("/old").read_until_head()
        running.write(route_to(upstream.url, timeouts={"idle": "300ms"}))
        assert reload(running).returncode == 0
        new.get("/new").read_until_head()

        assert running.wait_for_line(lambda line: line["target"] == "/new")["failure"] == "idle_timeout"
        assert running.admin("/-/ready").json()["streams"] == 1


def test_connections_to_an_upstream_that_did_not_change_are_kept(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """A reload that changes a route lets the next request use the idle connection of before."""

    def answers(connection):  # type: ignore[no-untyped-def]
        while True:
            connection.read_request()
            connection.send(response(b"ok"))

    upstream = scripted_upstream(answers)
    kept = {"keepalive": "60s"}
    running = gateway(route_to(upstream.url, upstream=kept))
    assert status_of(running, "/") == 200
    running.write(route_to(upstream.url, upstream=kept, timeouts={"idle": "10s"}))
    assert reload(running).returncode == 0
    assert status_of(running, "/") == 200

    assert upstream.connections == 1


def test_a_watched_file_is_read_again_by_itself(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """With `watch_config` nobody has to tell the gateway."""
    upstream = scripted_upstream(response(b"ok"))
    running = gateway(route_to(upstream.url, path="/before/"), server={"watch_config": True})
    assert status_of(running, "/before/") == 200
    running.write(route_to(upstream.url, path="/after/"))

    wait_until(lambda: status_of(running, "/after/") == 200, 10, "the new route")


def test_an_included_file_is_watched_too(
    gateway: StartGateway, scripted_upstream: StartUpstream, tmp_path: Path
) -> None:
    """Whatever was read is watched: a route file that is changed is adopted by itself."""
    upstream = scripted_upstream(response(b"ok"))
    running = gateway(route_to(upstream.url, path="/fixed/"), server={"watch_config": True})
    more = running.file.parent / "more.toml"
    more.write_text('[[routes]]\npath = "/before/"\nupstream = "up"\n')
    running.file.write_text('include = ["more.toml"]\n' + running.file.read_text())
    wait_until(lambda: status_of(running, "/before/") == 200, 10, "the included route")

    more.write_text('[[routes]]\npath = "/after/"\nupstream = "up"\n')

    wait_until(lambda: status_of(running, "/after/") == 200, 10, "the changed route")


def test_a_setting_that_needs_a_restart_is_named(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """What a running gateway cannot change is said, the rest counts."""
    upstream = scripted_upstream(response(b"ok"))
    running = gateway(route_to(upstream.url))
    running.file.write_text(running.file.read_text().replace("[server]", "[server]\nworkers = 2", 1))
    running.signal(signal.SIGHUP)

    wait_until(lambda: "server.workers has changed; that needs a restart" in running.stderr(), 5, "the warning")


def test_without_a_gateway_reload_says_so(tmp_path: Path, gateway: StartGateway) -> None:
    """Status 69, like every address that is not there."""
    running = gateway(route_to("http://127.0.0.1:9"))
    running.stop()

    told = reload(running)
    assert told.returncode == 69
    assert told.stderr.endswith("[Errno 111] Connection refused\n")


def test_what_needs_a_restart_is_told_to_who_reloads_and_measured_by_what_runs(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """Again at each reload while the file says something else, and not where it was put back to what runs."""
    upstream = scripted_upstream(response(b"ok"))
    running = gateway(route_to(upstream.url))
    before = running.file.read_text()
    running.file.write_text(before.replace("[server]", "[server]\nworkers = 2", 1))
    told = [reload(running), reload(running)]
    running.file.write_text(before)
    told.append(reload(running))

    assert [each.returncode for each in told] == [0, 0, 0]
    word = "gateway: server.workers has changed; that needs a restart\n"
    assert [word in each.stderr for each in told] == [True, True, False]
