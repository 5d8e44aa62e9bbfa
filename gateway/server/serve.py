"""Run gunicorn's master with our worker: listeners from the settings, nothing of gunicorn's own configuration."""

import errno
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from gateway.exchange.route import GatewayPlan
from gateway.observe.line import LineLog
from gateway.server.listener import Listener
from gateway.server.request import Limits
from gateway.server.tls import server_context

if TYPE_CHECKING:
    from gateway.settings import Settings

_MASTER_PATIENCE_SECONDS = 10.0
"""What the master grants beyond `drain_timeout`, so that workers always end by themselves first (F14)."""
_ADMIN_CONNECTIONS = 64
_BACKLOG = 2048


class CannotBind(Exception):
    """A listening address is taken or not ours."""


class Service:
    """What gunicorn calls the application: made in each worker, after the fork."""

    def __init__(self, settings: "Settings", plan: GatewayPlan) -> None:
        from gateway.app import compose

        self._settings = settings
        lines = LineLog(settings.log.format, logging.getLogger("gateway.exchange"))
        self._applications = compose(plan, lines)
        self.live = self._applications.live
        self.drain_seconds = settings.server.drain_timeout

    def listeners(self, worker: Any) -> list[Listener]:
        """Return one listener for each of the worker's sockets, in the order of ``addresses``."""
        server = self._settings.server
        tls = server.tls
        context = None if tls is None else server_context(tls.certificate, tls.key, tls.client_ca)
        limits = Limits(server.max_request_line, server.max_header_fields, server.max_header_size)
        data_count = len(server.listen)
        listeners = []
        for index, sock in enumerate(worker.sockets):
            is_data = index < data_count
            listeners.append(
                Listener(
                    sock=sock,
                    cfg=worker.cfg,
                    application=self._applications.data if is_data else self._applications.admin,
                    limits=limits,
                    head_seconds=server.head_timeout,
                    keepalive_seconds=server.keepalive_timeout,
                    max_connections=server.max_connections if is_data else _ADMIN_CONNECTIONS,
                    is_draining=lambda: self.live.draining,
                    record_refusal=self._applications.record_refusal,
                    tls=context if is_data else None,
                )
            )
        return listeners


class Master(BaseApplication):
    """gunicorn's view of us: its settings, set from ours and from nothing else."""

    def __init__(self, settings: "Settings", plan: GatewayPlan) -> None:
        self._settings = settings
        self._plan = plan
        super().__init__()

    def load_config(self) -> None:
        """Set what matters; everything not named here keeps gunicorn's default."""
        server = self._settings.server
        options: dict[str, Any] = {
            "bind": addresses(self._settings),
            "worker_class": "gateway.server.worker.GatewayWorker",
            "workers": server.workers,
            "reuse_port": server.workers > 1,  # spreads long streams evenly over the workers
            "backlog": _BACKLOG,
            "graceful_timeout": int(server.drain_timeout + _MASTER_PATIENCE_SECONDS),
            "timeout": 120,
            "control_socket_disable": True,
            "http_parser": "python",
            "permit_unconventional_http_method": True,
            "forwarder_headers": "",
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
            "logger_class": "gateway.server.logs.ServerLog",
            "proc_name": "slowgate",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Service:
        """Build what a worker serves."""
        return Service(self._settings, self._plan)


def addresses(settings: "Settings") -> list[str]:
    """Return all listening addresses: the data listeners first, the admin listener last."""
    admin = [settings.admin.listen] if settings.admin.listen is not None else []
    return [*settings.server.listen, *admin]


def serve(settings: "Settings", plan: GatewayPlan) -> None:
    """Serve until stopped; does not return. Raises ``CannotBind`` before anything is started."""
    for address in addresses(settings):
        _try_to_bind(address)
    os.environ.pop("GUNICORN_CMD_ARGS", None)
    Arbiter(Master(settings, plan)).run()


def _try_to_bind(address: str) -> None:
    """Bind and let go: gunicorn would retry for five seconds and then leave with a status of its own."""
    if address.startswith("unix:"):
        folder = Path(address.removeprefix("unix:")).parent
        if not os.access(folder, os.W_OK):
            raise CannotBind(f"cannot bind {address}: no permission to write in {folder}")
        return
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            reason = "already in use" if error.errno == errno.EADDRINUSE else (error.strerror or "not usable")
            raise CannotBind(f"cannot bind {address}: {reason}") from error


def main(settings: "Settings", plan: GatewayPlan) -> None:
    """Serve, and leave with status 69 where an address cannot be bound (sysexits: EX_UNAVAILABLE)."""
    try:
        serve(settings, plan)
    except CannotBind as error:
        sys.stderr.write(f"gateway: {error}\n")
        sys.exit(69)
