"""Many slow streams at once: all of them progress, each costs little, and leavers leave nothing behind."""

import json
import random
import socket
import time

import pytest
from conftest import StartGateway
from support.conditions import wait_until
from support.crowd import Crowd, SlowChorus, may_open
from support.gateway_process import route_to, toml_table
from support.rude_client import RudeClient

STREAMS = 2000
LEAVERS = 2000
MOST_KIB_A_STREAM = 40
"""Far above what was measured (see docs/performance.md), far below what a buffer or a thread a stream would cost."""

PIECE = b"data: tick\n\n"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_thousand_slow_streams_all_progress_in_one_worker(gateway: StartGateway) -> None:
    """Every stream gets every piece, the worker's memory grows by little for each, and all of it is given back."""
    if not may_open(2 * STREAMS + 500):
        pytest.skip(f"needs {2 * STREAMS + 500} open files in one process; the hard limit is lower")
    with SlowChorus() as upstream:
        running = gateway(route_to(upstream.url))
        idle_fds = running.open_fds()
        with Crowd(running.address, PIECE) as crowd:
            crowd.join()
            wait_until(lambda: upstream.streams == 1, 10, "the first stream")
            before_kib = running.rss_kib()
            for _ in range(STREAMS - 1):
                crowd.join()
            wait_until(lambda: upstream.streams == STREAMS, 60, "all streams")
            for said in range(1, 6):
                upstream.say(PIECE)
                wait_until(crowd.all_heard(said), 30, f"all clients to hear piece {said}")
            each_kib = (running.rss_kib() - before_kib) / STREAMS
            assert each_kib < MOST_KIB_A_STREAM
            upstream.finish()
            wait_until(lambda: all(crowd.ended), 30, "all streams to end")
        wait_until(lambda: len(running.log_lines()) == STREAMS, 30, "a line for each stream")
        assert {line["outcome"] for line in running.log_lines()} == {"complete"}
        wait_until(lambda: running.admin("/-/ready").json()["streams"] == 0, 10, "no live exchange")
        # Idle connections to the upstream may be kept for a moment; they are bounded.
        wait_until(lambda: running.open_fds() <= idle_fds + 64, 30, "descriptors to be given back")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_thousand_clients_that_leave_at_random_moments_leave_nothing_behind(gateway: StartGateway) -> None:
    """Afterwards: no upstream connection, no live exchange, the descriptors of before, a line and a row for each."""
    if not may_open(2 * LEAVERS + 500):
        pytest.skip(f"needs {2 * LEAVERS + 500} open files in one process; the hard limit is lower")
    chance = random.Random(20261120)
    with SlowChorus() as upstream:
        store = toml_table("store", {"url": "sqlite:///exchanges.db"})
        running = gateway(store + route_to(upstream.url, timeouts={"first_byte": "120s"}))
        with RudeClient(running.address) as client:  # The store opens its files with the first row.
            client.send(b"GET\r\n\r\n").read_response()
        wait_until(lambda: running.admin("/-/store").json()["written"] == 1, 10, "the first row")
        before_fds = running.open_fds()
        asked = 0
        with Crowd(running.address, PIECE) as crowd:
            for number in range(LEAVERS):
                manner = chance.random()
                if manner < 0.1:
                    _half_a_request(running.address, chance)
                    continue
                crowd.join(f"/{number}")
                asked += 1
                if manner < 0.4:
                    crowd.leave(chance.randrange(asked), reset=chance.random() < 0.5)
                if chance.random() < 0.05:
                    upstream.say(PIECE)
                if chance.random() < 0.1:
                    time.sleep(chance.random() * 0.01)  # moments, not luck: any of them must do
            for client in chance.sample(range(asked), asked):
                crowd.leave(client, reset=chance.random() < 0.5)
            wait_until(lambda: upstream.connections == 0, 10, "all upstream connections to be closed")
        wait_until(lambda: running.admin("/-/ready").json()["streams"] == 0, 10, "no live exchange")
        wait_until(lambda: running.open_upstream_connections(upstream.port) == 0, 5, "no connection to the upstream")
        wait_until(lambda: running.open_fds() == before_fds, 10, "the descriptors of before")
        lines = [line for line in running.log_lines() if line["outcome"] != "rejected"]
        wait_until(lambda: running.admin("/-/store").json()["waiting"] == 0, 10, "the last rows")
        rows = running.admin("/-/exchanges.ndjson?outcome=client_gone").text.splitlines()
        assert sorted(json.loads(row)["id"] for row in rows) == sorted(line["id"] for line in lines)
    assert len({line["id"] for line in lines}) == len(lines)
    assert upstream.requests <= len(lines) <= asked
    assert {line["outcome"] for line in lines} == {"client_gone"}


def _half_a_request(address: tuple[str, int], chance: random.Random) -> None:
    """Connect, send a part of a head, leave."""
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(b"GET /never HTTP/1.1\r\nHost: gateway\r\nX: "[: chance.randrange(1, 40)])
