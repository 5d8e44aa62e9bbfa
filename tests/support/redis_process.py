"""A Redis of the test's own, in a process: nothing is written to a disk, and it can be killed, stopped and started."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self

import pytest

from support import processes
from support.ports import free_port


class RedisProcess:
    """A Redis server on a port of its own, as a context manager. ``password`` is asked for where it is given."""

    def __init__(self, directory: Path, password: str = "") -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            pytest.skip("redis-server is not installed")
        pytest.importorskip("redis", reason="the package redis is not installed")
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{self.port}/0"
        self._directory = directory
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._command += ["--dir", str(directory), *(["--requirepass", password] if password else [])]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            self.resume()
            processes.end(self._process, timeout=5)

    def start(self) -> None:
        """Start it, empty; also again after `kill`."""
        path = self._directory / "output"
        with path.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        processes.await_start(self._process, self._listens, 10, path)

    def kill(self) -> None:
        """Let it die at once, with everything it knew."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(5)

    def pause(self) -> None:
        """Let it say nothing any more, with its connections open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGCONT)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True
