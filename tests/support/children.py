"""A foreign program as a client of the gateway: what it says on its standard output, line by line, while it runs."""

import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from support import processes

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_WAIT_SECONDS = 10.0


def plain_environment() -> dict[str, str]:
    """Return the environment without proxies: every test talks to loopback, directly."""
    return {key: value for key, value in os.environ.items() if key.lower() not in _PROXY_VARIABLES}


class Child:
    """A running program, as a context manager; leaving it ends the program. Every wait has a deadline."""

    def __init__(self, command: Sequence[str | os.PathLike[str]], directory: Path | None = None) -> None:
        self._command = command
        self._directory = directory
        self._pending = b""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            cwd=self._directory,
            env=plain_environment(),
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        processes.end(self._process, timeout=2)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    def close_input(self) -> None:
        """End its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def line(self, timeout: float = _WAIT_SECONDS) -> str:
        """Return its next line, standard error included; raise AssertionError if none comes."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self._pending:
            piece = self._read(deadline)
            if not piece:
                raise AssertionError(f"{self._command[0]} ended its output after {self._pending!r}")
            self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode(errors="replace")

    def rest(self, timeout: float = _WAIT_SECONDS) -> str:
        """Return all that is left of its output, once it has ended it."""
        deadline = time.monotonic() + timeout
        while piece := self._read(deadline):
            self._pending += piece
        rest, self._pending = self._pending, b""
        return rest.decode(errors="replace")

    def wait(self, timeout: float = _WAIT_SECONDS) -> int:
        """Return its exit status once it has ended."""
        return self._process.wait(timeout)

    def kill(self) -> None:
        """End it without any goodbye."""
        self._process.kill()

    def _read(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise AssertionError(f"{self._command[0]} says nothing; so far {self._pending!r}")
        return os.read(descriptor, 65_536)


class Program(Child):
    """A running script; what it reports is JSON, one document a line."""

    def report(self) -> dict[str, Any]:
        """Return what it reports next."""
        line = self.line()
        try:
            return dict(json.loads(line))
        except ValueError:
            raise AssertionError(f"{line}\n{self.rest()}") from None

    def reports(self) -> list[dict[str, Any]]:
        """Return all that it still reports until it ends."""
        found = [json.loads(line) for line in self.rest().splitlines()]
        assert self.wait() == 0
        return found
