"""Caddy: one thread of Go, every piece flushed, an access log in a file."""

from typing import ClassVar

from bench.peers.binary import BinaryPeer
from bench.peers.peer import Place

_CONFIGURATION = """
{{
    admin off
    auto_https off
    persist_config off
    storage file_system {directory}/storage
    log default {{
        level ERROR
    }}
}}
http://:{port} {{
    bind 127.0.0.1
    log {{
        output file {directory}/access.log {{
            roll_disabled
        }}
        level INFO
    }}
    reverse_proxy {endpoint} {{
        flush_interval -1
        transport http {{
            keepalive 90s
            keepalive_idle_conns 1000
            keepalive_idle_conns_per_host 1000
            compression off
        }}
    }}
}}
"""


class Caddy(BinaryPeer):
    """As it comes, but for the flushing, the log and the number of kept connections."""

    name = "caddy"
    program = "caddy"
    asks_version: ClassVar[list[str]] = ["version"]

    def arguments(self, place: Place) -> list[str]:
        text = _CONFIGURATION.format(directory=place.directory, port=place.port, endpoint=place.endpoint)
        return ["run", "--adapter", "caddyfile", "--config", place.written("Caddyfile", text)]
