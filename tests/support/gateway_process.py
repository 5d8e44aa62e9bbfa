"""The real gateway in a process of its own: written down as `gateway.toml`, started, watched and stopped."""

import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from support import processes
from support.certificates import TlsFiles
from support.conditions import patience, wait_until
from support.ports import free_port

_PROJECT = Path(__file__).parents[2]
_START_SECONDS = 40.0
_STOP_SECONDS = 15.0
_OWN_PREFIXES = ("SLOWGATE", "GATEWAY", "GUNICORN")

Line = dict[str, Any]
"""One exchange of the log, by its keys."""


def toml_value(value: object) -> str:
    """Return ``value`` as TOML: text, numbers, truth, lists and tables (inline)."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value))  # a JSON string is a TOML basic string


def toml_table(name: str, values: Mapping[str, object]) -> str:
    """Return the table ``name`` with ``values``."""
    return "\n".join([f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in values.items()), "", ""])


def route_to(url: str, *, upstream: Mapping[str, object] | None = None, **route: object) -> str:
    """Return the TOML of one upstream ``up`` at ``url`` and one route to it; the path is ``/`` if not given."""
    values = {"name": "all", "path": "/", "upstream": "up", **route}
    table = toml_table("upstreams.up", {"endpoints": [url], **(upstream or {})})
    return table + toml_table("[routes]", values)


class Gateway:
    """A gateway that serves ``toml``: upstreams and routes; ``[server]``, ``[admin]`` and ``[log]`` are added here.

        ``server``, ``admin`` and ``log`` are further keys of these tables, ``environment`` further variables, ``tls``
    makes the data port speak TLS, ``module`` is run in the place of ``gateway``. Use it as a context manager; entering
    waits until it is ready, with all its workers.
    """

    def __init__(
        self,
        toml: str,
        directory: Path,
        *,
        server: Mapping[str, object] | None = None,
        admin: Mapping[str, object] | None = None,
        log: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
        tls: TlsFiles | None = None,
        module: str = "gateway",
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.tls = tls
        self._module = module
        self.address = ("127.0.0.1", free_port())
        self.admin_address = ("127.0.0.1", free_port())
        self.file = directory / "gateway.toml"
        self._stdout, self._stderr = directory / "stdout", directory / "stderr"
        self._environment = dict(environment or {})
        self._server: dict[str, object] = {"listen": f"127.0.0.1:{self.address[1]}"}
        if tls is not None:
            self._server["tls"] = {"certificate": tls.certificate, "key": tls.key}
        self._server |= server or {}
        self._admin = {"listen": f"127.0.0.1:{self.admin_address[1]}", **(admin or {})}
        self._log = {"format": "json", **(log or {})}
        self.admin_context: ssl.SSLContext | None = None
        """What the admin listener's clients speak; to be set before it is started."""
        self.admin_socket: Path | None = None
        """The admin listener's unix socket, if it has one; to be set before it is started."""
        self._process: subprocess.Popen[bytes] | None = None
        self.write(toml)

    def write(self, toml: str) -> None:
        """Write the file anew with other upstreams and routes, for a reload."""
        tables = {"server": self._server, "admin": self._admin, "log": self._log}
        self.file.write_text("".join(toml_table(name, values) for name, values in tables.items()) + toml)

    def __enter__(self) -> Self:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(_OWN_PREFIXES)}
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, "serve", "-c", str(self.file)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=_PROJECT,
                env=environment | {"PYTHONUNBUFFERED": "1"} | self._environment,
            )
        try:
            wait_until(self._ready, _START_SECONDS, "the gateway to be ready")
        except BaseException as error:
            self.stop()
            if isinstance(error, AssertionError):
                raise AssertionError(f"{error}\n--- configuration\n{self.file.read_text()}\n{self.output()}") from None
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"the gateway ended with {self._process.returncode}")
        try:
            return self.admin("/-/ready").status == 200 and self._all_serve()
        except OSError:
            return False

    def _all_serve(self) -> bool:
        """Whether each worker has said that it is ready: the one that answered speaks for itself alone."""
        workers = self._server.get("workers", 1)
        return workers == 1 or len(re.findall(r"worker \d+ is ready", self.stderr())) >= workers

    def admin(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> "AdminAnswer":
        """Ask the admin listener; return status, fields and body. ``admin_context`` is set where it speaks TLS."""
        context, connection = self.admin_context, http.client.HTTPConnection(*self.admin_address, timeout=15)
        if context is not None:
            connection = http.client.HTTPSConnection(*self.admin_address, timeout=15, context=context)
        try:
            if self.admin_socket is not None:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.connect(str(self.admin_socket))
            connection.request(method, path, headers=dict(headers or {}))
            with connection.getresponse() as answer:  # Where it says that the connection ends, it holds that.
                return AdminAnswer(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{'https://localhost' if self.tls else 'http://127.0.0.1'}:{self.address[1]}"

    @property
    def pid(self) -> int:
        """The id of the process that was started."""
        assert self._process is not None, "not started"
        return self._process.pid

    def worker_pids(self) -> list[int]:
        """Return the ids of the living workers."""
        return processes.children(self.pid)

    def output(self) -> str:
        """Return all it wrote, for the message of a failed test."""
        texts = [path.read_text(errors="replace") if path.exists() else "" for path in (self._stdout, self._stderr)]
        return f"--- stdout\n{texts[0]}\n--- stderr\n{texts[1]}"

    def stderr(self) -> str:
        """Return what it wrote to stderr."""
        return self._stderr.read_text(errors="replace")

    def log_lines(self) -> list[Line]:
        """Return the exchange lines so far; other lines on stdout, and a line half written, are left out."""
        lines = []
        for text in self._stdout.read_text(errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and "outcome" in line:
                lines.append(line)
        return lines

    def wait_for_line(self, predicate: Callable[[Line], object] = lambda line: True, timeout: float = 5.0) -> Line:
        """Return the first exchange line for which ``predicate`` holds; raise AssertionError with all output."""
        try:
            return wait_until(
                lambda: next((line for line in self.log_lines() if predicate(line)), None), timeout, "an exchange line"
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from None

    def open_fds(self, pid: int | None = None) -> int:
        """Return how many descriptors ``pid`` holds, all workers together if not given."""
        return sum(map(processes.open_fds, self.worker_pids() if pid is None else [pid]))

    def open_upstream_connections(self, port: int) -> int:
        """Return how many established connections the workers hold to ``port``."""
        return sum(processes.established_connections(pid, remote_port=port) for pid in self.worker_pids())

    def open_client_connections(self) -> int:
        """Return how many connections of clients the workers hold, also of clients whose end they have yet to see."""
        return sum(processes.held_connections(pid, local_port=self.address[1]) for pid in self.worker_pids())

    def rss_kib(self, pid: int | None = None) -> int:
        """Return the resident memory of ``pid`` in KiB, of all workers together if not given."""
        return sum(map(processes.rss_kib, self.worker_pids() if pid is None else [pid]))

    def signal(self, number: int, pid: int | None = None) -> None:
        """Send a signal to the process that was started, or to ``pid``, one of its workers."""
        os.kill(self.pid if pid is None else pid, number)

    def wait(self, timeout: float = _STOP_SECONDS) -> int:
        """Wait until it ends by itself; return its exit status."""
        assert self._process is not None, "not started"
        try:
            return self._process.wait(patience(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the gateway still runs after {timeout:g} s\n{self.output()}") from None

    def stop(self, timeout: float = _STOP_SECONDS) -> int:
        """End it (SIGTERM, SIGKILL after ``timeout`` seconds); return its exit status."""
        if self._process is None:
            return 0
        return processes.end(self._process, signal.SIGTERM, timeout)


@contextlib.contextmanager
def in_own_directories(make: Callable[..., Gateway], directory: Path) -> Iterator[Callable[..., Gateway]]:
    """Lend a starter of gateways, ``start(toml, **options)``; each that ``make`` makes has a directory of its own."""
    with contextlib.ExitStack() as stack:
        numbers = itertools.count(1)

        def start(toml: str, **options: Any) -> Gateway:
            return stack.enter_context(make(toml, directory / f"gateway-{next(numbers)}", **options))

        yield start


class AdminAnswer:
    """What the admin listener said."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)
