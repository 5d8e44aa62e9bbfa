"""HAProxy: one thread, connections to the upstream shared and kept, each request a line on its output."""

from typing import ClassVar

from bench.peers.binary import BinaryPeer
from bench.peers.peer import Place

_CONFIGURATION = """
global
    nbthread 1
    maxconn {connections}
    log stdout format raw local0 info
defaults
    mode http
    log global
    option httplog
    option http-no-delay
    option abortonclose
    option forwardfor
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
frontend front
    bind 127.0.0.1:{port} backlog 4096
    default_backend back
backend back
    server up {endpoint} pool-max-conn 1000
"""


class HAProxy(BinaryPeer):
    """Told not to gather small pieces, and to look out for clients that leave.

    As it comes, it delays events by up to 200 ms, and notices a leaver when it writes to it.
    """

    name = "haproxy"
    program = "haproxy"
    asks_version: ClassVar[list[str]] = ["-v"]

    def arguments(self, place: Place) -> list[str]:
        text = _CONFIGURATION.format(connections=place.streams + 5, port=place.port, endpoint=place.endpoint)
        return ["-db", "-f", place.written("haproxy.cfg", text)]
