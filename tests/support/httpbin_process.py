"""httpbin, somebody else's test service, in a process of its own: under gunicorn's stock gevent worker."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from support import processes
from support.ports import free_port
from support.rude_client import RudeClient


class Httpbin:
    """``gunicorn httpbin:app`` on a free port, as a context manager; its output goes to a file in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.address = ("127.0.0.1", free_port())
        self._output = directory / "httpbin.out"

    def __enter__(self) -> Self:
        options = ["--worker-class", "gevent", "--keep-alive", "30", "--no-control-socket"]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *options, "--bind", self.authority, "httpbin:app"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        processes.await_start(self._process, self._answers, 15, self._output)
        return self

    def __exit__(self, *exc_info: object) -> None:
        processes.end(self._process, signal.SIGQUIT)  # at once: with SIGTERM it waits for idle connections to end

    @property
    def authority(self) -> str:
        """Host and port."""
        return f"{self.address[0]}:{self.address[1]}"

    @property
    def url(self) -> str:
        """Its address for ``endpoints``."""
        return f"http://{self.authority}"

    def _answers(self) -> bool:
        try:
            with RudeClient(self.address) as client:
                return client.get("/status/200").read_response().status == 200
        except OSError:
            return False
