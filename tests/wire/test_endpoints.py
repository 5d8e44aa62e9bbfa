"""Several endpoints: who gets a request, who is left alone and comes back, and what `/-/upstreams` says about it."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from conftest import StartGateway
from support.conditions import wait_until
from support.gateway_process import Gateway, toml_table
from support.ports import free_port
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, response
from wire.test_reload import reload

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
BREAKER = {"failures": 2, "window": "10s", "open": "300ms"}


class Service:
    """An endpoint that answers with its name, and does otherwise when it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.well = True
        """Whether it answers at all."""
        self.status = "200 OK"
        """What it says to a health check."""
        self.upstream = ScriptedUpstream(self._serve)

    @property
    def url(self) -> str:
        return self.upstream.url

    @property
    def targets(self) -> list[str]:
        """What it was asked for by clients."""
        return [seen.target for seen in self.upstream.requests if seen.target != "/healthz"]

    def _serve(self, connection: ScriptedConnection) -> None:
        asked = connection.read_request()
        if asked.target == "/healthz":
            connection.send(response(status=self.status))
        elif not self.well:
            connection.close()
        elif asked.target.endswith("/stream"):
            connection.send(HEAD + self.name.encode())
            connection.hang()
        elif asked.target.endswith("/cut"):
            connection.send(HEAD + self.name.encode())
            connection.close()
        else:
            connection.send(response(self.name.encode()))


@pytest.fixture
def services() -> Iterator[tuple[Service, Service]]:
    """Two endpoints, a and b."""
    with ExitStack() as stack:
        pair = Service("a"), Service("b")
        for each in pair:
            stack.enter_context(each.upstream)
        yield pair


def upstream_of(*endpoints: object, path: str = "/", **settings: object) -> str:
    """Return the TOML of an upstream whose connections are not kept, and of a route to it; nothing is retried."""
    once = {"keepalive": "0s", "retry": {"attempts": 1}}
    table = toml_table("upstreams.up", {"endpoints": list(endpoints), **once, **settings})
    return table + toml_table("[routes]", {"name": "all", "path": path, "upstream": "up"})


def ask(running: Gateway, target: str = "/", *lines: str) -> RawResponse:
    with RudeClient(running.address) as client:
        return client.get(target, *lines).read_response()


def asked(running: Gateway, count: int) -> Counter[object]:
    """Ask ``count`` times; return how often each body, or status where that is not 200, came."""
    answers = [ask(running) for _ in range(count)]
    return Counter(answer.body.decode() if answer.status == 200 else answer.status for answer in answers)


def shown(running: Gateway) -> dict[str, Any]:
    """Return what `/-/upstreams` says about the one upstream."""
    (upstream,) = running.admin("/-/upstreams").json()["upstreams"]
    return dict(upstream)


def states(running: Gateway) -> list[str]:
    return [row["state"] for row in shown(running)["endpoints"]]


def ask_until(running: Gateway, condition: Callable[[list[str]], bool]) -> None:
    """Ask until the states of the endpoints are as they should be."""

    def asked_and_so() -> bool:
        ask(running)
        return condition(states(running))

    wait_until(asked_and_so, 10, "the states of the endpoints")


def test_without_a_breaker_a_dead_endpoint_keeps_its_share(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """Nothing is inferred: every second request fails, for ever."""
    a, b = services
    a.well = False
    running = gateway(upstream_of(a.url, b.url))

    assert asked(running, 10) == {502: 5, "b": 5}


def test_an_endpoint_where_nobody_listens_is_left_alone(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """Two requests fail, then none does, for as long as `open` says."""
    running = gateway(upstream_of(f"http://127.0.0.1:{free_port()}", services[1].url, breaker=BREAKER | {"open": "1m"}))

    assert asked(running, 20) == {502: 2, "b": 18}
    assert states(running) == ["tripped", "available"]
    assert shown(running)["endpoints"][0]["why"] == "connect_refused"
    assert "is left alone for 60 s: connect_refused" in running.stderr()


def test_with_retries_no_client_meets_the_endpoint_that_is_tripped(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """The attempts that trip the breaker are followed by one at the other endpoint; later ones begin there."""
    dead = f"http://127.0.0.1:{free_port()}"
    breaker = BREAKER | {"open": "1m"}
    running = gateway(upstream_of(dead, services[1].url, breaker=breaker, retry={"attempts": 2}))

    assert asked(running, 12) == {"b": 12}
    assert states(running) == ["tripped", "available"]
    wait_until(lambda: len(running.log_lines()) == 12, 5, "a line for each request")
    attempts = [line["attempts"] for line in running.log_lines()]
    assert (attempts.count(2), attempts[-5:]) == (2, [1] * 5)


def test_an_endpoint_that_flaps_is_taken_out_and_probed_back_each_time(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """While it is out nobody notices, and once it answers again it gets its share again."""
    a, b = services
    running = gateway(upstream_of(a.url, b.url, breaker=BREAKER | {"max_open": "500ms"}))
    for _ in range(2):
        a.well = False
        ask_until(running, lambda states: states[0] != "available")
        assert b.name.encode() in {ask(running).body for _ in range(2)}
        a.well = True
        ask_until(running, lambda states: states == ["available", "available"])
        assert asked(running, 10) == {"a": 5, "b": 5}


def test_streams_that_break_off_count_though_their_status_was_200(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """What counts is how an exchange ended."""
    a, b = services
    running = gateway(upstream_of(a.url, b.url, breaker=BREAKER | {"open": "1m"}))
    for target in ("/cut", "/", "/cut", "/"):
        with RudeClient(running.address) as client:
            client.get(target).read_until_head()
            client.arrivals(5.0)

    assert a.targets == ["/cut", "/cut"]
    wait_until(lambda: states(running) == ["tripped", "available"], 5, "the breaker to trip")
    assert shown(running)["endpoints"][0]["why"] == "body_cut"


def test_clients_that_leave_say_nothing_about_an_endpoint(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """However many of them do."""
    a, b = services
    running = gateway(upstream_of(a.url, b.url, breaker=BREAKER | {"failures": 1}))
    for _ in range(6):
        with RudeClient(running.address) as client:
            client.get("/stream").read_until_head()
    wait_until(lambda: len(running.log_lines()) == 6, 5, "the lines")

    assert states(running) == ["available", "available"]
    assert [(row["in_flight"], row["failures"]) for row in shown(running)["endpoints"]] == [(0, 0)] * 2


def test_the_fallback_serves_only_while_the_first_is_out(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """By a path of its own, which is all the rewriting that it needs."""
    a, b = services
    fallback = {"url": b.url + "/other/base", "priority": 1}
    running = gateway(upstream_of(a.url, fallback, breaker=BREAKER | {"max_open": "500ms"}))
    assert asked(running, 4) == {"a": 4}
    a.well = False
    assert asked(running, 5) == {502: 2, "b": 3}
    assert set(b.targets) == {"/other/base/"}
    a.well = True
    ask_until(running, lambda states: states[0] == "available")
    count = len(b.targets)

    assert asked(running, 4) == {"a": 4}
    assert len(b.targets) == count


def test_the_least_loaded_endpoint_gets_the_next_request(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """While a stream runs at one endpoint short requests go to the other, and to both again when it has ended."""
    a, b = services
    running = gateway(upstream_of(a.url, b.url, balance="least_outstanding"))
    with RudeClient(running.address) as client:
        client.get("/stream").read_until_head()
        assert asked(running, 6) == {"b": 6}
        assert [row["in_flight"] for row in shown(running)["endpoints"]] == [1, 0]
    wait_until(lambda: shown(running)["endpoints"][0]["in_flight"] == 0, 5, "the stream's end")

    assert asked(running, 6) == {"a": 3, "b": 3}


def test_equal_keys_go_to_one_endpoint(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """Each user stays, and the users are spread."""
    running = gateway(upstream_of(*(each.url for each in services), balance="hash", hash_on="header:X-User"))
    homes = {user: {ask(running, "/", f"X-User: {user}").body for _ in range(3)} for user in range(20)}

    assert all(len(home) == 1 for home in homes.values())
    assert set[bytes]().union(*homes.values()) == {b"a", b"b"}


def test_a_health_check_takes_out_and_brings_back(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """No client has to fail for it; the reason is told."""
    a, b = services
    health = {"path": "/healthz", "interval": "50ms", "timeout": "2s", "healthy": 2, "unhealthy": 2}
    running = gateway(upstream_of(a.url + "/base", b.url, health=health))
    assert asked(running, 4) == {"a": 2, "b": 2}
    a.status = "503 Service Unavailable"
    wait_until(lambda: states(running) == ["unhealthy", "available"], 5, "the check to notice")
    assert shown(running)["endpoints"][0]["why"] == "status 503"
    assert asked(running, 6) == {"b": 6}
    a.status = "200 OK"
    wait_until(lambda: states(running) == ["available", "available"], 5, "the check to notice")

    assert asked(running, 6) == {"a": 3, "b": 3}


def test_a_reload_leaves_checks_that_stay_alone_and_ends_the_others(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """What the checks know is kept with them; an endpoint that is gone is asked no more."""
    a, b = services
    health = {"path": "/healthz", "interval": "50ms", "unhealthy": 1, "healthy": 100}
    a.status = "503 Service Unavailable"
    running = gateway(upstream_of(a.url, b.url, health=health))
    wait_until(lambda: states(running)[0] == "unhealthy", 5, "the check to notice")
    a.status = "200 OK"
    running.write(upstream_of(a.url, health=health, path="/new/"))
    assert reload(running).returncode == 0
    assert states(running) == ["unhealthy"]
    checks = len(b.upstream.requests)
    more = len(a.upstream.requests) + 4
    wait_until(lambda: len(a.upstream.requests) >= more, 5, "further checks")

    assert len(b.upstream.requests) <= checks + 1


def test_with_all_endpoints_tripped_all_are_used(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """A wrong verdict must not be an outage: it fails open, says so, and the first good end counts."""
    a, b = services
    a.well = b.well = False
    running = gateway(upstream_of(a.url, b.url, breaker=BREAKER | {"open": "1m"}))
    assert asked(running, 8) == {502: 8}
    assert len(a.targets) == len(b.targets) == 4
    assert (shown(running)["failing_open"], shown(running)["failed_open"]) == (True, 4)
    assert running.stderr().count("no endpoint is available, so all of them are used") == 1
    a.well = b.well = True

    assert ask(running).status == 200
    assert shown(running)["failing_open"] is False


def test_a_reload_keeps_what_is_known(gateway: StartGateway, services: tuple[Service, Service]) -> None:
    """Who is tripped stays so, and a stream that runs on is still counted, and counted out at its end."""
    a, b = services
    a.well = False
    settings: dict[str, Any] = {"breaker": BREAKER | {"open": "1m"}}
    running = gateway(upstream_of(a.url, b.url, **settings))
    assert asked(running, 6)[502] == 2
    with RudeClient(running.address) as client:
        client.get("/stream").read_until_head()
        running.write(upstream_of(a.url, {"url": b.url, "weight": 3}, path="/new/", **settings))
        assert reload(running).returncode == 0
        rows = shown(running)["endpoints"]
        assert [row["state"] for row in rows] == ["tripped", "available"]
        assert [(row["attempts"], row["in_flight"], row["weight"]) for row in rows] == [(2, 0, 1), (5, 1, 3)]
    wait_until(lambda: shown(running)["endpoints"][1]["in_flight"] == 0, 5, "the stream's end")

    assert ask(running, "/new/").body == b"b"


def test_upstreams_are_shown_to_operators_without_secrets(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """By the worker that answers; a base path may be a key, and stays out."""
    a, b = services
    running = gateway(upstream_of({"url": a.url + "/sk-4711", "weight": 2}, b.url, breaker=BREAKER))
    asked(running, 3)
    answer = running.admin("/-/upstreams")
    document = answer.json()

    assert document["worker"] in running.worker_pids()
    assert document["worker"] != os.getpid()
    (upstream,) = document["upstreams"]
    assert (upstream["name"], upstream["balance"], upstream["failing_open"]) == ("up", "round_robin", False)
    first, second = upstream["endpoints"]
    assert (first["endpoint"], first["weight"], first["attempts"]) == (a.url, 2, 2)
    assert (second["endpoint"], second["weight"], second["attempts"]) == (b.url, 1, 1)
    assert first["breaker"] == {"state": "passing", "failures": 0, "of": 2, "tripped_for_seconds": None}
    assert 0 < first["first_byte_p50_ms"] <= first["first_byte_p95_ms"] < 5000
    assert first["health"] is None
    assert "4711" not in answer.text
    assert (upstream["limit"], upstream["retries_refused"]) == (None, 0)
    assert running.admin("/-/upstreams", "POST", {"X-Requested-With": "tests"}).status == 405


def test_the_limit_of_an_upstream_is_shown_with_who_runs_and_who_waits(
    gateway: StartGateway, services: tuple[Service, Service]
) -> None:
    """Whoever wonders why requests wait finds the answer beside the endpoints."""
    running = gateway(upstream_of(services[0].url, limits={"max_concurrent": 1, "max_queued": 5}))
    with RudeClient(running.address) as first, RudeClient(running.address) as second:
        first.get("/stream").read_until_head()
        second.get("/stream")

        wait_until(lambda: shown(running)["limit"] == {"allowed": 1, "running": 1, "waiting": 1}, 5, "one that waits")
    wait_until(lambda: shown(running)["limit"] == {"allowed": 1, "running": 0, "waiting": 0}, 5, "both to be gone")
