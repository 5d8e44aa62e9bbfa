"""What callers may take over time, through the real server: in its memory, in a real Redis, and with Redis gone."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from conftest import StartGateway
from support.conditions import patience, wait_until
from support.gateway_process import Gateway, route_to, toml_table
from support.redis_process import RedisProcess
from support.rig import problem_code
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, response

PER_DAY = {"limit": "5/day", "by": "route"}


class Upstream:
    """Answers at once, but to ``/hold``: there it begins a stream and goes on when the test says so."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.server = ScriptedUpstream(self._serve)

    def _serve(self, connection: ScriptedConnection) -> None:
        request = connection.read_request()
        if not request.target.startswith("/hold"):
            connection.send(response(b"x" * 40, "RateLimit: theirs"))
            return
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        while not self.go_on.wait(0.02):
            if not connection.is_open:
                return
        connection.send(b"cd")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    with made.server:
        yield made
        made.go_on.set()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path / "redis", password="hunter2") as running:
        yield running


def configured(
    upstream: Upstream, limits: Mapping[str, object], redis: RedisProcess | None = None, **shared: str
) -> str:
    table = "" if redis is None else toml_table("shared", {"redis": redis.url, "timeout": "5s", **shared})
    return table + route_to(upstream.server.url, upstream={"keepalive": "0s"}, limits=limits)


def ask(running: Gateway, target: str = "/", *lines: str) -> RawResponse:
    with RudeClient(running.address) as client:
        return client.get(target, *lines).read_response()


@contextlib.contextmanager
def held(running: Gateway, *lines: str) -> Iterator[RudeClient]:
    """Open a stream that has begun and does not end."""
    with RudeClient(running.address) as client:
        client.get("/hold", *lines).read_until(b"\r\n\r\nab")
        yield client


def refused(answer: RawResponse, code: str, retry_after: range) -> None:
    """A whole 429 that says why, and truthfully when to come again."""
    assert (problem_code(answer), answer.status) == (code, 429)
    assert int(answer.first("retry-after") or 0) in retry_after, answer.fields


def test_rate_is_kept_and_told_on_every_reply(gateway: StartGateway, upstream: Upstream) -> None:
    """The standard fields count down; the refusal has them too; who waits as long as was told gets in."""
    running = gateway(configured(upstream, {"rates": [{"limit": "3/3s", "by": "address"}]}))
    answers = [ask(running) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert {tuple(answer.all("ratelimit-policy")) for answer in answers} == {('"3/3s by address";q=3;w=3',)}
    assert [answer.all("ratelimit")[0].partition(";t=")[0] for answer in answers] == [
        f'"3/3s by address";r={left}' for left in (2, 1, 0, 0)
    ]
    refused(answers[3], "rate_limited", range(1, 2))
    line = running.wait_for_line(lambda line: line["failure"] == "rate_limited")
    assert (line["outcome"], line["attempts"], line["side"]) == ("rejected", 0, "downstream")
    time.sleep(int(answers[3].first("retry-after") or 0))  # As a client does that believes the gateway.
    assert ask(running).status == 200


def test_addresses_are_those_that_trusted_peers_tell(gateway: StartGateway, upstream: Upstream) -> None:
    """Each client behind a trusted proxy has a rate of its own, each IPv6 network one."""
    toml = toml_table("forwarding", {"trusted_peers": ["127.0.0.1"]})
    running = gateway(toml + configured(upstream, {"rates": [{"limit": "1/day", "by": "address"}]}))
    statuses = [
        ask(running, "/", f"X-Forwarded-For: {address}").status
        for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "2001:db8::2")
    ]
    assert statuses == [200, 200, 429, 200, 429]


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "redis"])
def test_streams_of_a_principal_are_bounded_and_come_back(
    gateway: StartGateway, upstream: Upstream, shared: bool, request: pytest.FixtureRequest
) -> None:
    """Refused at once above the limit; whole, left and refused streams all give their place back."""
    redis = request.getfixturevalue("redis") if shared else None
    running = gateway(configured(upstream, {"max_streams_per_principal": 2}, redis))
    with held(running) as first, held(running):
        refused(ask(running), "too_many_streams", range(1, 2))
        first.leave()
        wait_until(lambda: ask(running).status == 200, 3, "the place of the client that left")
        with held(running):
            refused(ask(running), "too_many_streams", range(1, 2))
    for _ in range(20):
        wait_until(lambda: ask(running).status == 200, 3, "places to come back")
    upstream.go_on.set()
    for _ in range(20):  # One after the other on one connection: each has ended before the next one begins.
        with RudeClient(running.address) as client:
            assert [client.get("/hold").read_response().status for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "redis"])
def test_budget_is_used_up_by_what_was_really_relayed(
    gateway: StartGateway, upstream: Upstream, shared: bool, request: pytest.FixtureRequest
) -> None:
    """Refused until midnight in UTC; the refusals themselves are free; a stream that runs is not cut."""
    redis = request.getfixturevalue("redis") if shared else None
    running = gateway(configured(upstream, {"budgets": [{"limit": "100B/day", "of": "bytes"}]}, redis))
    with held(running) as stream:
        statuses = [ask(running).status for _ in range(3)]
        assert statuses == [200] * 3
        answer = wait_until(lambda: (last := ask(running)).status == 429 and last, 3, "the budget to be used up")
        to_midnight = int(86400 - time.time() % 86400)
        refused(answer, "budget_exhausted", range(to_midnight - 5, to_midnight + 3))
        upstream.go_on.set()
        assert stream.read_until(b"cd")


def test_reload_gives_nobody_a_new_burst(gateway: StartGateway, upstream: Upstream) -> None:
    """What callers took and hold stays with the worker, whatever else the new configuration changes."""
    limits = {"rates": [PER_DAY], "max_streams_per_principal": 1}
    running = gateway(configured(upstream, limits))
    with held(running):
        running.write(configured(upstream, limits).replace('"keepalive" = "0s"', "").replace("0s", "1s"))
        command = [sys.executable, "-m", "gateway", "reload", "-c", str(running.file)]
        assert subprocess.run(command, capture_output=True).returncode == 0
        refused(ask(running), "too_many_streams", range(1, 2))
    wait_until(lambda: [ask(running).status for _ in range(2)][-1] == 429, 5, "the rest of the rate")
    refused(ask(running), "rate_limited", range(1, 5 * 3600))


def test_workers_share_one_rate_in_redis(gateway: StartGateway, upstream: Upstream, redis: RedisProcess) -> None:
    """Whoever is asked: together they let exactly the limit pass."""
    toml = configured(upstream, {"rates": [{"limit": "20/day", "by": "route"}]}, redis)
    running = gateway(toml, server={"workers": 3})
    statuses = [ask(running).status for _ in range(30)]
    assert sorted(statuses) == [200] * 20 + [429] * 10
    assert "hunter2" not in running.output()


def test_place_of_a_worker_that_was_killed_comes_back(
    gateway: StartGateway, upstream: Upstream, redis: RedisProcess
) -> None:
    """Its leases are not renewed and end in Redis by themselves; those that live on stay."""
    import redis as client

    running = gateway(configured(upstream, {"max_streams_per_principal": 1}, redis), server={"workers": 1})
    with held(running), client.Redis.from_url(redis.url) as store:
        (key,) = store.keys("slowgate:streams:*")
        assert 0 < store.pttl(key) <= 30_000
        (pid,) = running.worker_pids()
        running.signal(signal.SIGKILL, pid)
        wait_until(lambda: running.worker_pids() not in ([pid], []), 10, "a new worker")
        wait_until(lambda: ask_or_none(running) == 429, 10, "the new worker to see the old one's lease")
        store.pexpire(key, 1)  # As it will by itself, thirty seconds after it was renewed last.
        wait_until(lambda: ask_or_none(running) == 200, 5, "the place to come back")


def ask_or_none(running: Gateway) -> int | None:
    with contextlib.suppress(OSError, AssertionError):
        return ask(running).status
    return None


def test_worker_that_stops_leaves_nothing_unsent(
    gateway: StartGateway, upstream: Upstream, redis: RedisProcess
) -> None:
    """A stream that the end of the drain cut has given its place back and is charged."""
    import redis as client

    limits = {"max_streams_per_principal": 1, "budgets": [{"limit": "1h/day", "of": "stream_time"}]}
    running = gateway(configured(upstream, limits, redis), server={"drain_timeout": "0s"})
    with held(running):
        assert running.stop() == 0
    running.wait_for_line(lambda line: line["outcome"] == "drained")
    with client.Redis.from_url(redis.url) as store:
        assert store.keys("slowgate:streams:*") == []
        (key,) = store.keys("slowgate:budget:*")
        assert float(store.hget(key, "used")) > 0


@pytest.mark.parametrize("how", ["killed", "silent"])
def test_redis_gone_and_open_lets_each_worker_count_for_itself(
    gateway: StartGateway, upstream: Upstream, redis: RedisProcess, how: str
) -> None:
    """Requests go on, soon without waiting, and still not without a limit; afterwards Redis counts again."""
    running = gateway(configured(upstream, {"rates": [PER_DAY]}, redis, on_failure="open", timeout="1s"))
    assert ask(running).status == 200
    redis.kill() if how == "killed" else redis.pause()
    assert [ask(running).status for _ in range(6)] == [200] * 5 + [429]
    wait_until(lambda: "the shared Redis does not answer" in running.stderr(), 2, "the log to say so")
    times = []
    for _ in range(3):  # One of them may be the one that tries it out, and waits.
        began = time.monotonic()
        assert ask(running).status == 429
        times.append(time.monotonic() - began)
    assert min(times) < patience(0.5)
    redis.start() if how == "killed" else redis.resume()
    wait_until(lambda: "the shared Redis answers again" in running.stderr() or not ask(running), 5, "Redis to count")
    assert "hunter2" not in running.output()


@pytest.mark.parametrize("how", ["killed", "silent"])
def test_redis_gone_and_closed_refuses_until_it_is_back(
    gateway: StartGateway, upstream: Upstream, redis: RedisProcess, how: str
) -> None:
    """503 with Retry-After, within the timeout; a stream that runs goes on, and other routes do not ask."""
    toml = configured(
        upstream, {"rates": [PER_DAY], "max_streams_per_principal": 9}, redis, on_failure="closed", timeout="1s"
    )
    toml += toml_table("[routes]", {"name": "free", "path": "/free/", "upstream": "up"})
    running = gateway(toml)
    with held(running) as stream:
        redis.kill() if how == "killed" else redis.pause()
        for _ in range(5):
            began = time.monotonic()
            answer = ask(running)
            assert (problem_code(answer), answer.status) == ("limits_unavailable", 503)
            assert answer.first("retry-after") == "1"
            assert time.monotonic() - began < patience(3)
        assert ask(running, "/free/").status == 200
        redis.start() if how == "killed" else redis.resume()
        wait_until(lambda: ask(running).status == 200, 5, "Redis to count again")
        upstream.go_on.set()
        assert stream.read_until(b"cd")


def test_client_that_leaves_while_redis_is_silent_leaves_nothing_behind(
    gateway: StartGateway, upstream: Upstream, redis: RedisProcess
) -> None:
    """It is let go at once, and no lease stays behind when Redis is back."""
    import redis as client

    running = gateway(configured(upstream, {"max_streams_per_principal": 1}, redis, timeout="5s"))
    assert ask(running).status == 200
    redis.pause()
    with RudeClient(running.address) as leaver:
        leaver.get("/hold")
        wait_until(lambda: running.admin("/-/ready").json()["streams"] == 1, 3, "the request to wait")
        leaver.leave()
    wait_until(lambda: running.admin("/-/ready").json()["streams"] == 0, 2, "the client to be let go")
    redis.resume()
    wait_until(lambda: ask(running).status == 200, 5, "the place to be free")
    running.wait_for_line(lambda line: line["outcome"] == "client_gone")
    with client.Redis.from_url(redis.url) as store:
        wait_until(lambda: not store.keys("slowgate:streams:*"), 5, "no lease to be left")
