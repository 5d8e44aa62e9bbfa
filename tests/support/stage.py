"""A running gateway and the scripted upstream behind it, shared by a module's tests: each plays a scene of its own."""

import contextlib
import itertools
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from support.certificates import TlsFiles
from support.conditions import wait_until
from support.framing import PeerClosed
from support.gateway_process import Gateway, Line, toml_table
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection, Stopped
from support.scripted_upstream import Script, ScriptedUpstream, play

_TLS_VERSIONS = {"tls1.2": ssl.TLSVersion.TLSv1_2, "tls1.3": ssl.TLSVersion.TLSv1_3}
LISTENERS = ("plain", "tls1.3")


@dataclass
class Scene:
    """One test's script under a target of its own. It is played behind a request's head, which is read already."""

    target: str
    script: Script
    gateway: Gateway
    connections: list[ScriptedConnection] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def connection(self, timeout: float = 5.0) -> ScriptedConnection:
        """Return the upstream's connection, once the request has come."""
        return wait_until(lambda: self.connections[:1], timeout, f"the request for {self.target}")[0]

    def line(self, timeout: float = 5.0) -> Line:
        """Return the exchange's log line, once it is written."""
        return self.gateway.wait_for_line(lambda line: line["target"].partition("?")[0] == self.target, timeout)

    def play(self, connection: ScriptedConnection) -> None:
        """Follow the script; what it raises is kept for the test."""
        self.connections.append(connection)
        try:
            play(self.script, connection)
        except (PeerClosed, Stopped, ConnectionError, ssl.SSLError):
            pass
        except Exception as error:
            if not connection.stopped:
                self.errors.append(error)


class Stage:
    """A gateway with one upstream, whose connections serve one request each unless ``keepalive`` says otherwise.

    It has as many ``endpoints`` as wanted, which all play the same scenes: a script tells the requests apart.
    ``listener`` is ``plain``, ``tls1.2`` or ``tls1.3`` (what the clients of ``client()`` speak). ``routes`` maps names
    to settings of routes at ``/name/``. Leaving it fails where the gateway wrote a traceback.
    """

    def __init__(
        self,
        directory: Path,
        tls: TlsFiles,
        *,
        listener: str = "plain",
        workers: int = 1,
        routes: Mapping[str, Mapping[str, object]] | None = None,
        server: Mapping[str, object] | None = None,
        forwarding: Mapping[str, object] | None = None,
        keepalive: str = "0s",
        endpoints: int = 1,
    ) -> None:
        self.tls = tls
        self._listener = listener
        self.workers = workers
        self._keeps_alive = keepalive != "0s"
        self._scenes: dict[str, Scene] = {}
        self._numbers = itertools.count(1)
        self.upstreams = [ScriptedUpstream(self._play) for _ in range(endpoints)]
        self.upstream = self.upstreams[0]
        toml = toml_table("forwarding", forwarding) if forwarding else ""
        toml += toml_table("upstreams.up", {"endpoints": [each.url for each in self.upstreams], "keepalive": keepalive})
        for name, settings in (routes or {"all": {}}).items():
            toml += toml_table("[routes]", {"name": name, "path": f"/{name}/", "upstream": "up", **settings})
        self.gateway = Gateway(
            toml,
            directory,
            server={"workers": workers, **(server or {})},
            tls=None if listener == "plain" else tls,
        )

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for upstream in self.upstreams:
                stack.enter_context(upstream)
            stack.enter_context(self.gateway)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, exc_type: Any, exc: Any, trace: Any) -> None:
        self._stack.__exit__(exc_type, exc, trace)
        assert exc is not None or "Traceback" not in self.gateway.stderr(), self.gateway.output()

    @contextlib.contextmanager
    def scene(self, script: Script, route: str = "all") -> Iterator[Scene]:
        """Let the upstream play ``script`` for requests to the scene's target; fail where the script failed."""
        scene = Scene(f"/{route}/{next(self._numbers)}", script, self.gateway)
        self._scenes[scene.target] = scene
        yield scene
        if scene.errors:
            raise scene.errors[0]

    def client(self, **options: object) -> RudeClient:
        """Return a new client of the gateway's, speaking what the listener speaks."""
        context = None
        if self._listener != "plain":
            context = self.tls.client_context()
            context.minimum_version = context.maximum_version = _TLS_VERSIONS[self._listener]
        return RudeClient(self.gateway.address, context, **options)  # type: ignore[arg-type]

    def live_streams(self) -> int:
        """Return how many exchanges run in the busiest worker, as the admin listener says: each answers for itself."""
        asked = 1 if self.workers == 1 else 4 * self.workers
        return max(self.gateway.admin("/-/ready").json()["streams"] for _ in range(asked))

    def wait_until_quiet(self, timeout: float = 1.0) -> None:
        """Wait until no exchange runs, no connection to the upstream is open and none of a client."""
        wait_until(lambda: self.live_streams() == 0, timeout, "the end of every exchange")
        ended = "the end of every upstream connection"
        wait_until(lambda: sum(upstream.open_connections for upstream in self.upstreams) == 0, timeout, ended)
        wait_until(lambda: self.gateway.open_client_connections() == 0, timeout, "the end of every client connection")

    @contextlib.contextmanager
    def left_as_found(self) -> Iterator[Self]:
        """Wait until it is quiet before and after: nothing that is opened in between may be left, on either side."""
        self.wait_until_quiet(5)
        descriptors = self.gateway.open_fds()
        yield self
        self.wait_until_quiet(5)
        wait_until(lambda: self.gateway.open_fds() <= descriptors, 10, "every descriptor to be given back")

    def _play(self, connection: ScriptedConnection) -> None:
        while True:
            request = connection.read_head()
            self._scenes[request.target.partition("?")[0]].play(connection)
            if not self._keeps_alive or not connection.is_open:
                return


OpenStage = Callable[..., Stage]
"""The fixture ``open_stage``: takes the options of ``Stage``."""
