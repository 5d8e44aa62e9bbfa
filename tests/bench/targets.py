"""What is measured: the upstream itself, and each proxy in front of it, in processes of their own."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from support import processes
from support.conditions import wait_until
from support.gateway_process import Gateway, route_to
from support.nginx_process import Nginx
from support.ports import free_port

_HERE = Path(__file__).parent
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Target:
    """A server that answers as the upstream does."""

    name: str
    address: tuple[str, int]
    pid: int

    def cpu_seconds(self) -> float:
        """Return what its process tree has used so far, in user and kernel mode; ticks of 10 ms."""
        return sum(map(_cpu_seconds, _tree(self.pid)))


def _tree(pid: int) -> list[int]:
    return [pid, *(one for child in processes.children(pid) for one in _tree(child))]


def _cpu_seconds(pid: int) -> float:
    columns = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(columns[11]) + int(columns[12])) / _TICKS_PER_SECOND


def _listens(address: tuple[str, int]) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(address, 1).close()
        return True
    return False


@contextlib.contextmanager
def _running(name: str, command: list[str], port: int, directory: Path, **environment: str) -> Iterator[Target]:
    with (directory / f"{name}.out").open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=os.environ | environment, cwd=_HERE
        )
    try:
        wait_until(lambda: _listens(("127.0.0.1", port)), 15, f"{name} to listen")
        yield Target(name, ("127.0.0.1", port), process.pid)
    finally:
        processes.end(process, timeout=3)


def stamping_upstream(port: int, directory: Path) -> contextlib.AbstractContextManager[Target]:
    """Run the upstream that all targets stand in front of."""
    return _running("direct", [sys.executable, str(_HERE / "stamping_upstream.py"), str(port)], port, directory)


@contextlib.contextmanager
def targets(directory: Path) -> Iterator[list[Target]]:
    """Start them all; the first is the upstream, asked directly. nginx is left out where it is not installed."""
    with ExitStack() as stack:
        port = free_port()
        direct = stack.enter_context(stamping_upstream(port, directory))
        upstream = f"http://127.0.0.1:{port}"
        gateway = stack.enter_context(Gateway(route_to(upstream), directory / "gateway"))
        found = [direct, Target("slowgate", gateway.address, gateway.pid)]
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is not None:
            nginx = stack.enter_context(Nginx(program, directory / "nginx", direct.address))
            found.append(Target("nginx", nginx.addresses[0], nginx.pid))
        recipe_port = free_port()
        options = ["--worker-class", "gevent", "--keep-alive", "75", "--no-control-socket", "--chdir", str(_HERE)]
        command = [sys.executable, "-m", "gunicorn", *options, "--bind", f"127.0.0.1:{recipe_port}", "recipe:app"]
        recipe = _running("recipe", command, recipe_port, directory, RECIPE_UPSTREAM=upstream)
        found.append(stack.enter_context(recipe))
        yield found
