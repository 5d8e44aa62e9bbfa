"""What is measured: a server that answers as the upstream does; and how one is started."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.load import accounting
from support import processes
from support.conditions import wait_until

UPSTREAM = Path(__file__).with_name("upstream.py")
_START_SECONDS = 20.0


@dataclass(frozen=True)
class Target:
    """A server under measurement."""

    name: str
    address: tuple[str, int]
    pid: int

    def cpu_seconds(self) -> float:
        """Return what its process tree has used so far, in user and kernel mode."""
        return accounting.cpu_seconds(self.pid)

    def pss_kib(self) -> int:
        """Return the memory of its process tree."""
        return accounting.pss_kib(self.pid)


@contextlib.contextmanager
def running(
    name: str,
    command: list[str],
    port: int,
    directory: Path,
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Target]:
    """Run ``command`` in ``directory``, its output in a file there, until it listens at ``port``; end it afterwards.

    Raises AssertionError, with what it wrote, where it does not come to listen.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = directory / f"{name}.out"
    with written.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | dict(environment or {}),
            cwd=directory,
        )
    try:
        try:
            wait_until(lambda: process.poll() is not None or listens(port), _START_SECONDS, f"{name} to listen")
            assert process.poll() is None, f"{name} ended with {process.returncode}"
        except AssertionError as error:
            raise AssertionError(f"{error}\n{written.read_text(errors='replace')[-2000:]}") from None
        yield Target(name, ("127.0.0.1", port), process.pid)
    finally:
        processes.end(process, timeout=3)


def listens(port: int) -> bool:
    """Tell whether somebody accepts connections at ``port``."""
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def upstream_process(port: int, directory: Path) -> contextlib.AbstractContextManager[Target]:
    """Run the upstream that all targets stand in front of."""
    return running("direct", [sys.executable, str(UPSTREAM), str(port)], port, directory)
