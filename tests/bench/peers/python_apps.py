"""Peers that are written in Python, as one writes them: the recipe, a proxy on aiohttp, one on FastAPI and httpx."""

import sys
from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import ClassVar

from bench.load.target import Target, running
from bench.peers.peer import APPS, Peer, Place, Programs, said


class PythonPeer(Peer):
    """An application in `apps/`, with an interpreter that has what it imports."""

    modules: tuple[str, ...]
    """What it imports."""
    distributions: tuple[str, ...]
    """Whose versions are told."""

    def missing(self, programs: Programs) -> str | None:
        return None if self._python(programs) else f"no Python with {', '.join(self.modules)}"

    def version(self, programs: Programs) -> str:
        code = "import importlib.metadata as m, sys; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
        return said([self._python(programs) or sys.executable, "-c", code, *self.distributions])

    def start(self, programs: Programs, place: Place) -> AbstractContextManager[Target]:
        python = self._python(programs)
        assert python is not None, f"{self.name} cannot be started"
        environment = {"PROXY_UPSTREAM": f"http://{place.endpoint}", "PYTHONPATH": str(APPS)}
        command = [python, *self.arguments(place)]
        return running(self.name, command, place.port, place.directory, environment=environment)

    def _python(self, programs: Programs) -> str | None:
        return programs.python_with(self.modules)

    @abstractmethod
    def arguments(self, place: Place) -> list[str]:
        """Return what the interpreter is told."""


class Recipe(PythonPeer):
    """Flask and requests under gunicorn with one gevent worker: what this gateway is made of, without what it adds."""

    name = "recipe"
    modules = ("flask", "requests", "gunicorn", "gevent")
    distributions = ("flask", "requests", "gunicorn", "gevent")

    def _python(self, programs: Programs) -> str | None:
        return Programs(None).python_with(self.modules)  # the versions that the gateway has

    def arguments(self, place: Place) -> list[str]:
        options = {
            "--worker-class": "gevent",
            "--worker-connections": str(2 * place.streams + 1000),
            "--keep-alive": "75",
            "--bind": f"127.0.0.1:{place.port}",
            "--access-logfile": str(place.directory / "access.log"),
        }
        return [
            "-m",
            "gunicorn",
            "--no-control-socket",
            *(word for pair in options.items() for word in pair),
            "recipe:app",
        ]


class Aiohttp(PythonPeer):
    """aiohttp on both sides, with uvloop."""

    name = "aiohttp"
    modules = ("aiohttp", "uvloop")
    distributions = ("aiohttp", "uvloop")

    def arguments(self, place: Place) -> list[str]:
        return [str(APPS / "aiohttp_proxy.py"), str(place.port), str(place.directory / "access.log")]


class FastApi(PythonPeer):
    """FastAPI under uvicorn with its quick parts, and httpx."""

    name = "fastapi"
    modules = ("fastapi", "httpx", "uvicorn", "uvloop", "httptools")
    distributions = ("fastapi", "httpx", "uvicorn", "uvloop", "httptools")
    options: ClassVar[list[str]] = ["--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools"]

    def arguments(self, place: Place) -> list[str]:
        # Its access lines go to its output, which is a file.
        return ["-m", "uvicorn", *self.options, "--port", str(place.port), "fastapi_proxy:app"]
