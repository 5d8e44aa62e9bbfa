"""The worker's own decisions; what it does with real connections is shown over the wire."""

import os

from gateway.server.worker import GatewayWorker


class Heartbeat:
    """Stands for the file by which the master sees that a worker is alive."""

    def __init__(self) -> None:
        self.beats = 0

    def notify(self) -> None:
        self.beats += 1


def a_worker(ppid: int) -> GatewayWorker:
    """Return a worker that was started by the process ``ppid`` and serves nothing."""
    worker = GatewayWorker.__new__(GatewayWorker)
    worker.tmp, worker.ppid, worker.pid, worker.alive = Heartbeat(), ppid, os.getpid(), True
    return worker


def test_worker_whose_master_lives_says_that_it_lives() -> None:
    """And goes on."""
    worker = a_worker(os.getppid())

    worker.notify()

    assert (worker.tmp.beats, worker.alive) == (1, True)


def test_worker_whose_master_is_gone_drains() -> None:
    """gunicorn's worker would leave at that moment, and cut its streams without a record."""
    worker = a_worker(os.getppid() + 1)

    worker.notify()

    assert not worker.alive


def test_immediate_stop_is_still_an_orderly_one() -> None:
    """SIGINT and SIGQUIT end streams at once, by name."""
    worker = a_worker(os.getppid())

    worker.handle_quit(2, None)

    assert worker.hurried
    assert not worker.alive
