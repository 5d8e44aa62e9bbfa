"""A PostgreSQL server of Debian's package in a process of its own, with a fresh cluster below a directory."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from support import processes
from support.ports import free_port

_QUICK = ("fsync=off", "full_page_writes=off", "max_wal_size=4GB", "shared_buffers=32MB")
"""What a test's data need not: to outlive a crash of the machine."""


def postgres_programs() -> Path | None:
    """Return the directory of the newest server's programs; None where there is none, or nobody who may run it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found or (os.geteuid() == 0 and _other_user() is None):
        return None
    return found[-1].parent


def _other_user() -> str | None:
    """Return a user to run the server as: it refuses to be run by root."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return name
    return None


class Postgres:
    """A server on a free port of 127.0.0.1, as a context manager. `kill` and `start` are for outages."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self._programs = programs
        self._directory = directory
        self._data = directory / "data"
        self._user = _other_user() if os.geteuid() == 0 else None
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            shutil.chown(directory, self._user)

    @property
    def url(self) -> str:
        """Its address as a store's; the password is one that must not be seen anywhere."""
        return f"postgresql://keeper:s3cretpassword@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        password = self._directory / "password"
        password.write_text("s3cretpassword\n")
        if self._user is not None:
            shutil.chown(password, self._user)
        made = [self._programs / "initdb", "-D", self._data, "-U", "keeper", "-A", "scram-sha-256", "--no-sync"]
        self._run(*map(str, made), f"--pwfile={password}", "-E", "UTF8", "--locale=C")
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = [part for each in _QUICK for part in ("-c", each)]
        place = ["-D", str(self._data), "-p", str(self.port), "-k", str(self._directory)]
        output = self._directory / "output"
        with output.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), *place, "-h", "127.0.0.1", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self._directory,
            )
        processes.await_start(self._process, self._answers, 20, output)

    def kill(self) -> None:
        """End it at once, with every connection; what was committed is there again after `start`."""
        if self._process is not None:
            processes.end(self._process, signal.SIGQUIT)
            self._process = None

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Have no server for a while."""
        self.kill()
        yield
        self.start()

    def sql(self, statement: str) -> str:
        """Return what a statement says, its columns divided by ``|``."""
        return self._run(str(self._programs / "psql"), "-XAt", "-v", "ON_ERROR_STOP=1", self.url, "-c", statement)

    def _answers(self) -> bool:
        try:
            return self.sql("SELECT 1") == "1"
        except subprocess.CalledProcessError:
            return False

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, user=self._user, cwd=self._directory, check=True, capture_output=True, text=True, timeout=120
        )
        return done.stdout.strip()
