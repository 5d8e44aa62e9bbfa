"""nginx in a process of its own, as it is put in front of streams: nothing buffered, connections kept alive."""

import socket
import subprocess
from pathlib import Path
from typing import Self

from support import processes
from support.ports import free_port

_SCRATCH = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

_SERVER = """
    upstream up_{port} {{ server {target}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://up_{port};
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            client_max_body_size 0;
            {manner}
        }}
    }}
"""
FOR_STREAMS = "proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;"


class Nginx:
    """One nginx with a server in front of each of ``targets`` (host and port), as a context manager.

    ``manner`` says how it proxies, in directives of a location.

    It is one process without a master, and writes below ``directory`` only.
    """

    def __init__(self, program: str, directory: Path, *targets: tuple[str, int], manner: str = FOR_STREAMS) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.addresses = [("127.0.0.1", free_port()) for _ in targets]
        """Where the servers listen, in the order of ``targets``."""
        self._command = [program, "-e", "error.log", "-p", f"{directory}/", "-c", "nginx.conf"]
        self._directory = directory
        self._outputs = [directory / "output", directory / "error.log"]
        scratch = "".join(f"    {name}_temp_path {name};\n" for name in _SCRATCH)
        servers = "".join(
            _SERVER.format(port=port, target=f"{host}:{target_port}", manner=manner)
            for (_, port), (host, target_port) in zip(self.addresses, targets, strict=True)
        )
        (directory / "nginx.conf").write_text(
            "daemon off;\nmaster_process off;\npid nginx.pid;\n"
            "events { worker_connections 4096; }\n"
            "http {\n"
            "    log_format kept '$server_port $connection $connection_requests $status $request_uri';\n"
            f"    access_log access.log kept;\n{scratch}{servers}}}\n"
        )

    def __enter__(self) -> Self:
        with (self._directory / "output").open("wb") as output:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        processes.await_start(self._process, self._listens, 10, *self._outputs)
        return self

    def __exit__(self, *exc_info: object) -> None:
        processes.end(self._process, timeout=3)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def requests(self, server: int) -> list[tuple[int, int, int, str]]:
        """Return the finished requests of a server: connection, which of its requests it was, status and target."""
        port = str(self.addresses[server][1])
        lines = [line.split(" ", 4) for line in (self._directory / "access.log").read_text().splitlines()]
        return [
            (int(connection), int(number), int(status), target)
            for known, connection, number, status, target in lines
            if known == port
        ]

    def errors(self) -> str:
        """Return what it wrote to its error log and its output."""
        return "".join(path.read_text(errors="replace") for path in self._outputs if path.exists())

    def _listens(self) -> bool:
        try:
            for address in self.addresses:
                socket.create_connection(address, 1).close()
        except OSError:
            return False
        return True
