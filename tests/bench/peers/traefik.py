"""Traefik: one thread of Go, an access log in a file. Streams are flushed at once by default."""

from typing import ClassVar

from bench.peers.binary import BinaryPeer
from bench.peers.peer import Place

_STATIC = """
entryPoints:
  front:
    address: "127.0.0.1:{port}"
    transport: {{ respondingTimeouts: {{ readTimeout: "0s", writeTimeout: "0s", idleTimeout: "180s" }} }}
providers: {{ file: {{ filename: "{routes}" }} }}
accessLog: {{ filePath: "{directory}/access.log", format: json }}
log: {{ level: ERROR }}
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
serversTransport: {{ maxIdleConnsPerHost: 1000 }}
"""
_ROUTES = """
http:
  routers: {{ all: {{ rule: "PathPrefix(`/`)", service: up, entryPoints: [front] }} }}
  services: {{ up: {{ loadBalancer: {{ servers: [ {{ url: "http://{endpoint}" }} ] }} }} }}
"""


class Traefik(BinaryPeer):
    """As it comes, but for the log and the number of kept connections."""

    name = "traefik"
    program = "traefik"
    asks_version: ClassVar[list[str]] = ["version"]

    def arguments(self, place: Place) -> list[str]:
        routes = place.written("routes.yml", _ROUTES.format(endpoint=place.endpoint))
        static = _STATIC.format(port=place.port, routes=routes, directory=place.directory)
        return [f"--configFile={place.written('traefik.yml', static)}"]
