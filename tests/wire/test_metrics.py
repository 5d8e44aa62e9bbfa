"""`/-/metrics` on the wire: what it says is what the log says, whoever is asked, whoever dies."""

import contextlib
import http.client
import itertools
import os
import signal
from collections import Counter

import pytest
from conftest import StartGateway, StartUpstream
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from support import processes
from support.conditions import wait_until
from support.crowd import Crowd, SlowChorus
from support.framing import PeerClosed
from support.gateway_process import Gateway, route_to, toml_table
from support.ports import free_port
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import chunk, hang, response

Samples = dict[tuple[str, ...], float]
OK = response(b"ok")
PIECE = b"data: tick\n\n"
STREAMS = 200
ODD = 10_000
PIPELINED = 50
ENDED = ("slowgate_duration_seconds_count", "all", "up")


def samples(running: Gateway) -> Samples:
    """Return what a scrape tells, by name of the sample and values of its labels."""
    families = text_string_to_metric_families(running.admin("/-/metrics").text)
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def total(running: Gateway, name: str = "slowgate_exchanges_total") -> float:
    """Return the sum of all series with this name."""
    return sum(value for (family, *_), value in samples(running).items() if family == name)


def ask(running: Gateway, target: str = "/") -> None:
    """Ask on a connection of its own, and read what comes, whole or not."""
    with RudeClient(running.address) as client:
        client.get(target)
        with contextlib.suppress(PeerClosed):
            client.read_response()


def leave(running: Gateway, target: str, *, after_the_head: bool) -> None:
    """Ask, and leave before the answer is whole."""
    with RudeClient(running.address) as client:
        client.get(target)
        if after_the_head:
            client.read_until_head()
        else:
            found = ("slowgate_open_exchanges", "all", "up", "await")
            wait_until(lambda: samples(running).get(found), 5, "the request to be with the upstream")
        client.leave()
    wait_until(lambda: total(running, "slowgate_open_exchanges") == 0, 5, "its end")


def by_path(connection: ScriptedConnection) -> None:
    """Answer one request as its path says."""
    path = connection.read_head().target
    if path == "/cut":
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    elif path == "/begun":
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"begun"))
        connection.hang()
    elif path == "/silent":
        connection.hang()
    elif path != "/nothing":
        connection.send(OK)


def test_every_end_counts_once_as_its_log_line_says(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """Whole, cut, failed, refused, unreadable, left early and late: as many of each as there are lines."""
    upstream = scripted_upstream(by_path)
    dead = toml_table("upstreams.dead", {"endpoints": [f"http://127.0.0.1:{free_port()}"]})
    dead += toml_table("[routes]", {"name": "dead", "path": "/dead/", "upstream": "dead"})
    running = gateway(route_to(upstream.url, upstream={"keepalive": "0s"}, methods=["GET"]) + dead)
    for target in ("/", "/", "/cut", "/nothing", "/dead/", "/dead/", "/%2e%2e/"):
        ask(running, target)
    with RudeClient(running.address) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").read_response()
    with RudeClient(running.address) as client:
        client.send(b"not HTTP at all\r\n\r\n").wait_closed()
    leave(running, "/silent", after_the_head=False)
    leave(running, "/begun", after_the_head=True)
    lines = wait_until(lambda: found if len(found := running.log_lines()) == 11 else None, 5, "all lines")

    told = samples(running)
    ends = {key[1:]: value for key, value in told.items() if key[0] == "slowgate_exchanges_total"}
    assert ends == Counter(
        (line["route"] or "", line["upstream"] or "", line["outcome"], str(line["status"] or "none")) for line in lines
    )
    failures = {key[1:]: value for key, value in told.items() if key[0] == "slowgate_failures_total" and value}
    assert failures == Counter(
        (line["route"] or "", line["upstream"] or "", line["failure"], line["side"])
        for line in lines
        if line["failure"] is not None
    )
    assert {outcome for _, _, outcome, _ in ends} >= {"complete", "truncated", "failed", "rejected", "client_gone"}
    assert sum(told[key] for key in told if key[0] == "slowgate_duration_seconds_count") == 11
    assert sum(told[key] for key in told if key[0] == "slowgate_attempts_total") == sum(
        line["attempts"] for line in lines
    )
    assert {key[3] for key in told if key[0] == "slowgate_client_gone_total"} == {"await", "relay"}


def test_clients_that_leave_count_where_they_were(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """One in the queue, one in an answer that is read on without it: open as `drain`, left in `relay`."""
    upstream = scripted_upstream(by_path)
    limits = {"max_concurrent": 1, "max_queued": 5}
    stream = {"on_disconnect": "drain", "drain": "3s"}
    running = gateway(route_to(upstream.url, upstream={"limits": limits}, stream=stream))

    def open_in(phase: str, number: int) -> None:
        found = ("slowgate_open_exchanges", "all", "up", phase)
        wait_until(lambda: samples(running).get(found) == number, 5, f"{number} in {phase}")

    with RudeClient(running.address) as served, RudeClient(running.address) as queued:
        served.get("/begun").read_until_head()
        queued.get("/begun")
        open_in("queue", 1)
        queued.leave()
        open_in("queue", 0)
        served.leave()
        open_in("drain", 1)
    wait_until(lambda: total(running, "slowgate_open_exchanges") == 0, 10, "its end")
    left = {key[3]: value for key, value in samples(running).items() if key[0] == "slowgate_client_gone_total"}
    assert left == {"queue": 1, "relay": 1}


def test_openmetrics_comes_to_those_who_ask_for_it(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """As Prometheus does; its own library reads it."""
    running = gateway(route_to(scripted_upstream(by_path).url))
    ask(running)
    answer = running.admin("/-/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {each.name: each for each in openmetrics.text_string_to_metric_families(answer.text)}
    assert families["slowgate_exchanges"].samples[0].value == 1


def told_by_all(running: Gateway, expected: float) -> None:
    """Wait until scrape after scrape tells ``expected``, whichever worker answers."""
    wait_until(lambda: all(total(running) == expected for _ in range(8)), 10, f"{expected} in every worker")


def test_whichever_of_two_workers_is_asked_tells_of_both(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """Within a second each knows what the other has counted, also where nobody has asked the other."""
    running = gateway(route_to(scripted_upstream(by_path).url), server={"workers": 2})
    for _ in range(40):
        ask(running)
    with contextlib.closing(http.client.HTTPConnection(*running.admin_address, timeout=15)) as to_one:

        def told() -> float:
            to_one.request("GET", "/-/metrics")
            text = to_one.getresponse().read().decode()
            (exchanges,) = [each for each in text_string_to_metric_families(text) if each.name == "slowgate_exchanges"]
            return sum(each.value for each in exchanges.samples)

        wait_until(lambda: told() == 40, 10, "what the other worker has counted")
    told_by_all(running, 40)
    assert samples(running)[("slowgate_workers",)] == 2


def test_a_worker_that_is_killed_takes_no_count_along_and_leaves_no_gauge(gateway: StartGateway) -> None:
    """No scrape is ever below one before it; who follows counts on; its open streams are gone at once."""
    with SlowChorus() as upstream:
        running = gateway(route_to(upstream.url), server={"workers": 2})
        open_streams = ("slowgate_open_exchanges", "all", "up", "relay")
        with Crowd(running.address, PIECE) as crowd:
            for _ in range(40):
                crowd.join()
            wait_until(lambda: upstream.streams == 40, 10, "all streams")
            upstream.say(PIECE)
            wait_until(crowd.all_heard(1), 10, "all clients to hear it")
            octets = 40.0 * len(PIECE)
            bytes_name = "slowgate_response_body_bytes_total"
            wait_until(lambda: all(total(running, bytes_name) == octets for _ in range(8)), 10, "all octets counted")
            assert samples(running)[open_streams] == 40
            victim, survivor = running.worker_pids()
            left = processes.established_connections(survivor, local_port=running.address[1])
            assert 0 < left < 40
            os.kill(victim, signal.SIGKILL)
            seen = []
            while len(seen) < 10:
                with contextlib.suppress(ConnectionError):  # It was the dead one's to accept.
                    seen.append(total(running, bytes_name))
            wait_until(lambda: victim not in running.worker_pids() and len(running.worker_pids()) == 2, 10, "another")
            wait_until(lambda: samples(running)[("slowgate_workers",)] == 2, 10, "it to be there")
            seen += [total(running, bytes_name) for _ in range(10)]
            assert set(seen) == {octets}
            assert all(samples(running)[open_streams] == left for _ in range(4))
            upstream.finish()
            wait_until(lambda: samples(running)[open_streams] == 0, 10, "the end of the others")
        told_by_all(running, left)


@pytest.mark.slow
def test_ten_thousand_odd_requests_make_no_new_series(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """Paths, queries, methods and hosts are what clients make of them: no label holds any of it."""
    upstream = scripted_upstream(by_path)
    running = gateway(route_to(upstream.url, path="/known/", methods=["GET"]))
    methods = itertools.cycle(["GET", "ODD", "POST"])

    def asked(numbers: range) -> None:
        with RudeClient(running.address) as client:
            for start in numbers[::PIPELINED]:
                client.send(
                    b"".join(
                        f"{next(methods)} /odd/{number}?q={number} HTTP/1.1\r\nHost: h{number}\r\n\r\n".encode()
                        for number in range(start, min(start + PIPELINED, numbers.stop))
                    )
                )
                for _ in range(start, min(start + PIPELINED, numbers.stop)):
                    assert client.read_response().status == 404

    asked(range(3))
    before = set(samples(running))
    asked(range(3, ODD))
    assert set(samples(running)) == before
    assert total(running) == ODD


def test_scrapes_do_not_disturb_two_hundred_streams_and_see_them_flow(gateway: StartGateway) -> None:
    """All of them are open, their octets count while they run, and each piece arrives."""
    with SlowChorus() as upstream:
        running = gateway(route_to(upstream.url))
        with Crowd(running.address, PIECE) as crowd:
            for _ in range(STREAMS):
                crowd.join()
            wait_until(lambda: upstream.streams == STREAMS, 30, "all streams")
            for said in range(1, 6):
                upstream.say(PIECE)
                wait_until(crowd.all_heard(said), 30, f"all clients to hear piece {said}")
                told = samples(running)
                assert told["slowgate_open_exchanges", "all", "up", "relay"] == STREAMS
                assert told["slowgate_response_body_bytes_total", "all", "up"] == STREAMS * said * len(PIECE)
            silent = ("slowgate_silence_seconds_count", "all", "up")
            wait_until(lambda: samples(running).get(silent, 0) >= STREAMS, 5, "a look at their silence")
            upstream.finish()
            wait_until(lambda: all(crowd.ended), 30, "all streams to end")
        told = wait_until(lambda: found if (found := samples(running))[ENDED] == STREAMS else None, 5, "all ends")
        assert told["slowgate_response_body_bytes_total", "all", "up"] == STREAMS * 5 * len(PIECE)
        assert told["slowgate_open_exchanges", "all", "up", "relay"] == 0


def test_a_reload_keeps_what_was_counted_but_for_routes_that_are_gone(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """The series of a route that stays goes on; one that is gone takes its series along."""
    url = scripted_upstream(by_path).url
    gone = toml_table("[routes]", {"name": "gone", "path": "/gone/", "upstream": "up"})
    running = gateway(route_to(url) + gone)
    for target in ("/", "/", "/gone/"):
        ask(running, target)
    assert total(running) == 3
    running.write(route_to(url, timeouts={"idle": "30s"}))
    assert running.admin("/-/reload", "POST", {"Content-Type": "application/json"}).json()["adopted"]
    ask(running)

    told = samples(running)
    assert told["slowgate_exchanges_total", "all", "up", "complete", "200"] == 3
    assert not any("gone" in key for key in told)
    running.file.write_text("nonsense")
    running.admin("/-/reload", "POST", {"Content-Type": "application/json"})
    told = samples(running)
    assert told[("slowgate_configuration_rejected",)] == 1
    assert told["slowgate_exchanges_total", "all", "up", "complete", "200"] == 3


def test_metrics_are_not_on_the_data_port(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """There it is a path like any other."""
    running = gateway(route_to(scripted_upstream([lambda c: c.read_head(), OK, hang]).url))
    with RudeClient(running.address) as client:
        assert client.get("/-/metrics").read_response().body == b"ok"
