"""The demo upstream in a process of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Self

from support import processes

_PROJECT = Path(__file__).parents[2]
_PREFIX = "demo upstream listening on http://"


class DemoUpstream:
    """``python -m gateway.demo`` on a free port, as a context manager; its output goes to files in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._output = directory / "demo.out"
        self._errors = directory / "demo.err"

    def __enter__(self) -> Self:
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "gateway.demo", "--listen", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=_PROJECT,
            )
        processes.await_start(self._process, self._announced, 15, self._errors)
        host, _, port = self._announced().removeprefix(_PREFIX).partition(":")
        self.address = (host, int(port))
        return self

    def __exit__(self, *exc_info: object) -> None:
        processes.end(self._process)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Its address for ``endpoints``."""
        return f"http://{self.address[0]}:{self.address[1]}"

    def errors(self) -> str:
        """What it wrote to stderr: nothing, if all is well."""
        return self._errors.read_text(errors="replace")

    def rss_kib(self) -> int:
        """Its resident memory in KiB."""
        return processes.rss_kib(self.pid)

    def _announced(self) -> str:
        text = self._output.read_text()
        return text.strip() if text.startswith(_PREFIX) and text.endswith("\n") else ""
