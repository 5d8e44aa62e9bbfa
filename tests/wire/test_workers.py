"""Several workers: each serves, and one that dies takes only its own streams along."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import processes
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.framing import PeerClosed
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import chunk
from support.stage import Stage

MOST_STREAMS = 60


class Relays:
    """A script for many streams, which all go on when the test says so."""

    def __init__(self) -> None:
        self.finish = False

    def __call__(self, connection: ScriptedConnection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"begun"))
        while not self.finish:
            connection.pause(0.02)
        connection.send(chunk(b"whole") + chunk(b""))


def worker_of(stage: Stage, client: RudeClient) -> int:
    """Return the worker that holds the client's connection."""
    port = client.socket.getsockname()[1]
    (pid,) = (pid for pid in stage.gateway.worker_pids() if processes.established_connections(pid, remote_port=port))
    return pid


def test_worker_that_is_killed_takes_only_its_own_streams_along(tmp_path: Path, tls_files: TlsFiles) -> None:
    """Its clients see a cut, the others' streams end whole, a new worker takes its place and serves."""
    script = Relays()
    with contextlib.ExitStack() as stack:
        stage = stack.enter_context(Stage(tmp_path / "stage", tls_files, workers=2))
        scene = stack.enter_context(stage.scene(script))
        workers = stage.gateway.worker_pids()
        assert len(workers) == 2
        held: dict[int, list[tuple[RudeClient, Iterator[bytes]]]] = {pid: [] for pid in workers}
        while not all(held.values()) or sum(map(len, held.values())) < 6:
            assert sum(map(len, held.values())) < MOST_STREAMS, "one of the workers serves nobody"
            client = stack.enter_context(stage.client())
            _, arriving = client.get(scene.target).open_response()
            assert next(arriving) == b"begun"
            held[worker_of(stage, client)].append((client, arriving))

        victim, survivor = workers
        os.kill(victim, signal.SIGKILL)
        for _, arriving in held[victim]:
            with pytest.raises(PeerClosed):
                next(arriving)
        script.finish = True
        for _, arriving in held[survivor]:
            assert b"".join(arriving) == b"whole"

        wait_until(lambda: len(stage.gateway.worker_pids()) == 2, 5, "a new worker")
        assert victim not in stage.gateway.worker_pids() and survivor in stage.gateway.worker_pids()
        lines = [line["outcome"] for line in stage.gateway.log_lines()]
        assert lines == ["complete"] * len(held[survivor])
        (successor,) = set(stage.gateway.worker_pids()) - {survivor}
        wait_until(lambda: served_by(stage, scene.target, successor), 5, "the new worker to serve")


def served_by(stage: Stage, target: str, worker: int) -> bool:
    """Ask once; return whether it was ``worker`` that answered. Nobody may fail meanwhile."""
    with stage.client() as client:
        client.get(target)
        status, _, _ = client.read_until_head()
        assert status == "HTTP/1.1 200 OK"
        return worker_of(stage, client) == worker


@pytest.mark.parametrize("workers", [1, 2])
def test_addresses_are_told_at_the_start(tmp_path: Path, tls_files: TlsFiles, workers: int) -> None:
    """Also where each worker has listeners of its own; with the scheme that clients have to use."""
    with Stage(tmp_path / "stage", tls_files, listener="tls1.3", workers=workers) as stage:
        host, port = stage.gateway.address
        wait_until(
            lambda: f"Listening at: https://{host}:{port}, http://" in stage.gateway.stderr(), 5, "the addresses"
        )
