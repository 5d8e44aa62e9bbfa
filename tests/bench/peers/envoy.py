"""Envoy: one worker, no timeouts of streams, limits out of the way, an access log in a file."""

import json
from typing import Any, ClassVar

from bench.peers.binary import BinaryPeer
from bench.peers.peer import Place

_TYPES = "type.googleapis.com/envoy.extensions"


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _listener(place: Place) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "up", "timeout": "0s"}}
    log = {"@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog", "path": str(place.directory / "access.log")}
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "codec_type": "HTTP1",
        "stream_idle_timeout": "0s",
        "use_remote_address": True,
        "access_log": [{"name": "file", "typed_config": log}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}},
        ],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"name": "front", "address": _address("127.0.0.1", place.port), "filter_chains": [chain]}


def _cluster(place: Place) -> dict[str, Any]:
    most = 4 * place.streams + 2000
    limits = {"max_connections": most, "max_pending_requests": most, "max_requests": most}
    endpoint = {"endpoint": {"address": _address(*place.upstream)}}
    return {
        "name": "up",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


class Envoy(BinaryPeer):
    """As it comes, but for what is said above."""

    name = "envoy"
    program = "envoy"
    asks_version: ClassVar[list[str]] = ["--version"]

    def arguments(self, place: Place) -> list[str]:
        resources = {"listeners": [_listener(place)], "clusters": [_cluster(place)]}
        file = place.written("envoy.json", json.dumps({"static_resources": resources}))
        return ["-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
