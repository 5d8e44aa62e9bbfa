"""Peers that are one program with a file of configuration."""

import re
from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import ClassVar

from bench.load.target import Target, running
from bench.peers.peer import Peer, Place, Programs, said

ONE_THREAD = {"GOMAXPROCS": "1"}
"""What Go programs are told; others do not look at it."""
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")


class BinaryPeer(Peer):
    """A program that is found by its name."""

    program: str
    asks_version: ClassVar[list[str]] = ["--version"]

    def missing(self, programs: Programs) -> str | None:
        return None if programs.binary(self.program) else f"no program {self.program}"

    def version(self, programs: Programs) -> str:
        told = said([programs.binary(self.program) or self.program, *self.asks_version])
        found = _VERSION.search(told)
        return found[0] if found else told[:40]

    def start(self, programs: Programs, place: Place) -> AbstractContextManager[Target]:
        program = programs.binary(self.program)
        assert program is not None, f"{self.program} is not installed"
        command = [program, *self.arguments(place)]
        return running(self.name, command, place.port, place.directory, environment=ONE_THREAD)

    @abstractmethod
    def arguments(self, place: Place) -> list[str]:
        """Write the configuration; return the arguments."""
