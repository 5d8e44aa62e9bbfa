"""nginx: one process, connections to the upstream kept, an access log; unbuffered, and buffered for large bodies."""

from typing import ClassVar

from bench.peers.binary import BinaryPeer
from bench.peers.peer import Place

_UNBUFFERED = "proxy_buffering off; proxy_request_buffering off;"
_CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
events {{ worker_connections {connections}; }}
http {{
    access_log access.log;
    keepalive_requests 10000000;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    upstream up {{ server {endpoint}; keepalive 1000; keepalive_requests 10000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://up;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            client_max_body_size 0;
            {manner}
        }}
    }}
}}
"""


class Nginx(BinaryPeer):
    """As it is put in front of streams."""

    name = "nginx"
    program = "nginx"
    asks_version: ClassVar[list[str]] = ["-v"]
    manner = _UNBUFFERED

    def arguments(self, place: Place) -> list[str]:
        text = _CONFIGURATION.format(
            connections=2 * place.streams + 50, endpoint=place.endpoint, port=place.port, manner=self.manner
        )
        file = place.written("nginx.conf", text)
        return ["-e", "error.log", "-p", f"{place.directory}/", "-c", file]


class BufferedNginx(Nginx):
    """As it comes: it holds bodies back, in memory and in files, and is cheaper for that."""

    name = "nginx-buffered"
    scenarios = frozenset({"bulk", "bulk-chunked", "upload", "upload-chunked"})
    manner = ""
