"""The gateway itself, as `gateway serve` runs it: all default policies, its log line in a file, record and metrics."""

import contextlib
import platform
from collections.abc import Iterator

from bench.load.target import Target
from bench.peers.peer import Peer, Place, Programs
from support.gateway_process import Gateway, route_to

from gateway import __version__

_DEFAULT_CONNECTIONS = 10_000


class Slowgate(Peer):
    """One worker, one route."""

    name = "slowgate"

    def missing(self, programs: Programs) -> str | None:
        return None

    def version(self, programs: Programs) -> str:
        return f"{__version__}, Python {platform.python_version()}"

    @contextlib.contextmanager
    def start(self, programs: Programs, place: Place) -> Iterator[Target]:
        connections = max(_DEFAULT_CONNECTIONS, place.streams)
        route = route_to(f"http://{place.endpoint}")
        with Gateway(route, place.directory, server={"max_connections": connections}) as gateway:
            yield Target(self.name, gateway.address, gateway.pid)
