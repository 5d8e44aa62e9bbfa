"""Processes that tests start and end, and what the kernel says about one (Linux, /proc).

Its children, its memory, its descriptors, its connections.
"""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.conditions import wait_until

_ESTABLISHED, _CLOSE_WAIT = "01", "08"


def children(pid: int) -> list[int]:
    """Return the ids of the living children of ``pid``, in order."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]
        if int(parent) == pid and state != "Z":
            found.append(int(entry.name))
    return sorted(found)


def rss_kib(pid: int) -> int:
    """Return the resident memory of ``pid`` in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has ended")


def open_fds(pid: int) -> int:
    """Return how many descriptors ``pid`` holds."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _socket_inodes(pid: int) -> set[str]:
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = os.readlink(entry)
        except OSError:
            continue
        if name.startswith("socket:["):
            inodes.add(name[8:-1])
    return inodes


def established_connections(pid: int, *, remote_port: int | None = None, local_port: int | None = None) -> int:
    """Return how many established TCP connections ``pid`` holds to ``remote_port``, from ``local_port``, if given."""
    return _count(pid, remote_port, local_port, {_ESTABLISHED})


def held_connections(pid: int, *, remote_port: int | None = None, local_port: int | None = None) -> int:
    """Return how many TCP connections ``pid`` has not closed yet, also those the peer has long ended (CLOSE_WAIT)."""
    return _count(pid, remote_port, local_port, {_ESTABLISHED, _CLOSE_WAIT})


def _count(pid: int, remote_port: int | None, local_port: int | None, states: set[str]) -> int:
    inodes, count = _socket_inodes(pid), 0
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            columns = line.split()
            local, remote, state, inode = columns[1], columns[2], columns[3], columns[9]
            count += (
                state in states
                and inode in inodes
                and (remote_port is None or int(remote.rpartition(":")[2], 16) == remote_port)
                and (local_port is None or int(local.rpartition(":")[2], 16) == local_port)
            )
    return count


def await_start(process: subprocess.Popen[bytes], ready: Callable[[], object], seconds: float, *outputs: Path) -> None:
    """Wait until ``process`` is ready. Where it is not within ``seconds``, or ends, it is ended, and an AssertionError
    tells what it wrote to ``outputs``."""

    def up() -> object:
        if process.poll() is not None:
            raise AssertionError(f"it ended with {process.returncode}")
        return ready()

    try:
        wait_until(up, seconds, f"{process.args!r} to be ready")
    except AssertionError as error:
        end(process)
        told = "".join(path.read_text(errors="replace") for path in outputs if path.exists())
        raise AssertionError(f"{error}\n{told}") from None


def end(process: subprocess.Popen[bytes], sig: int = signal.SIGTERM, timeout: float = 10.0) -> int:
    """Ask ``process`` to end, wait, and kill it and its own children where it does not; return its exit status."""
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            for pid in [*children(process.pid), process.pid]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait(5)
    return process.returncode
