"""What a peer is: a program that can stand where the gateway stands, with a configuration that streams."""

import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.load.target import Target

APPS = Path(__file__).resolve().parents[1] / "apps"
"""Proxies in Python that are measured as peers."""
_SYSTEM = "/usr/sbin:/usr/local/sbin"


class Programs:
    """Where the programs of peers are: in the environment made for them, on the path, beside this interpreter."""

    def __init__(self, environment: Path | None) -> None:
        # Absolute, for programs are started in directories of their own.
        self._environment = environment = environment and environment.absolute()
        mine = str(Path(sys.executable).parent)
        own = [] if environment is None else [str(environment / "bin")]
        self._path = os.pathsep.join([*own, os.environ.get("PATH", ""), _SYSTEM, mine])

    def binary(self, name: str) -> str | None:
        """Return the path of a program, or None."""
        return shutil.which(name, path=self._path)

    def python_with(self, modules: Iterable[str]) -> str | None:
        """Return an interpreter that can import all ``modules``: that of the environment, or this one; or None."""
        own = [] if self._environment is None else [str(self._environment / "bin/python")]
        for python in [*own, sys.executable]:
            command = [python, "-c", f"import {', '.join(modules)}"]
            if Path(python).exists() and subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return python
        return None


def said(command: list[str]) -> str:
    """Return what a command writes, on either output, on one line."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return " ".join(done.stdout.split())


@dataclass(frozen=True)
class Place:
    """Where a peer is started, and what it stands in front of."""

    port: int
    upstream: tuple[str, int]
    directory: Path
    streams: int
    """How many may be open at once."""

    @property
    def endpoint(self) -> str:
        """The upstream as host and port."""
        return f"{self.upstream[0]}:{self.upstream[1]}"

    def written(self, name: str, text: str) -> str:
        """Write a file of configuration; return its path."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / name
        path.write_text(text)
        return str(path)


class Peer(ABC):
    """One way to proxy. A new peer is a file here and a line in `bench.peers.known`."""

    name: str
    scenarios: frozenset[str] | None = None
    """Those it takes part in; None for all."""

    @abstractmethod
    def missing(self, programs: Programs) -> str | None:
        """Return what is not installed, in words, or None."""

    @abstractmethod
    def version(self, programs: Programs) -> str:
        """Return the version of an installed peer."""

    @abstractmethod
    def start(self, programs: Programs, place: Place) -> AbstractContextManager[Target]:
        """Start an installed peer; it listens when the context is entered and is gone after it."""
