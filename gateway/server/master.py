"""gunicorn's master, with our settings and our way to reload: workers stay, and are told what is new."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from signal import SIGHUP
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from gateway.server.binding import addresses, urls
from gateway.server.bulletin import Bulletin
from gateway.server.configuration import Configuration, Rejected, needs_restart
from gateway.server.ledger import Ledger
from gateway.server.switchboard import Switchboard

_MASTER_PATIENCE_SECONDS = 10.0
"""What the master grants beyond `drain_timeout`, so that workers always end by themselves first (F14)."""
_BACKLOG = 2048

_log = logging.getLogger("gateway.server")


class Source:
    """Where the configuration came from: how to read it again, and whether its files are others than at that time."""

    def __init__(self, read: Callable[[], Configuration], files: Callable[[], tuple[Path, ...]]) -> None:
        """``read`` raises ``Rejected``; ``files`` names what the last reading looked at."""
        self._read = read
        self._files = files
        self._stamps = self._look()

    def read(self) -> Configuration:
        """Read the files again; raise ``Rejected`` where they are bad."""
        before = {path: _stamp(path) for path in self._files()}
        try:
            return self._read()
        finally:
            # A file that was written meanwhile may have been read before that: the next look must find it changed.
            after = self._look()
            self._stamps = {path: before.get(path, stamp) for path, stamp in after.items()}

    def changed(self) -> bool:
        """Whether a file is another than when it was read."""
        return self._look() != self._stamps

    def _look(self) -> dict[Path, tuple[int, int, int]]:
        return {path: _stamp(path) for path in self._files()}


def _stamp(path: Path) -> tuple[int, int, int]:
    """Return what tells a file from another one under its name; nothing for one that is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


class Application(BaseApplication):
    """gunicorn's view of us: its settings, set from ours and from nothing else."""

    def __init__(self, configuration: Configuration, source: Source | None) -> None:
        self.configuration = configuration
        self.source = source
        self.running = configuration.settings
        """With which it was started: what needs a restart stays as it is here, whatever is adopted later."""
        self.bulletin = Bulletin()
        self.ledger = Ledger()
        settings = configuration.settings
        # Nobody could ask where there is no admin listener.
        self.switchboard = Switchboard(settings.server.workers) if settings.admin.listen is not None else None
        super().__init__()

    def load_config(self) -> None:
        """Set what matters; everything not named here keeps gunicorn's default."""
        server = self.configuration.settings.server
        options: dict[str, Any] = {
            "bind": addresses(self.configuration.settings),
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

    def load(self) -> Any:
        """Build what a worker serves. Called in the worker."""
        from gateway.server.service import Service

        return Service(
            self.configuration,
            self.bulletin,
            can_read_again=self.source is not None,
            ledger=self.ledger,
            switchboard=self.switchboard,
        )

    def read_again(self) -> None:
        """Read the file and tell the workers; a bad one changes nothing but what readiness says."""
        if self.source is None:
            _log.warning("there is no file to read again")
            return
        try:
            new = self.source.read()
        except Rejected as error:
            _log.error("the configuration is bad, the one before stays\n%s", error.report)
            self.bulletin.pin(error.rejection)
            return
        new = replace(new, needs_restart=tuple(needs_restart(self.running, new.settings)))
        for name in new.needs_restart:
            _log.warning("%s has changed; that needs a restart", name)
        self.configuration = new
        self.bulletin.pin(new)
        _log.info("the configuration was read again: %d routes", len(new.plan.routes))


class Master(Arbiter):
    """Keeps workers alive; on SIGHUP they get a new configuration instead of being replaced."""

    app: Application

    def start(self) -> None:
        """Start, and say where; gunicorn would not know, where each worker has listeners of its own, nor of TLS."""
        super().start()
        _log.info("Listening at: %s (%d)", ", ".join(urls(self.app.configuration.settings)), self.pid)

    def handle_hup(self) -> None:
        """Read the configuration again."""
        self.app.read_again()
        settings = self.app.configuration.settings
        self.cfg.set("graceful_timeout", int(settings.server.drain_timeout + _MASTER_PATIENCE_SECONDS))

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """Wait as gunicorn does; a file that changed counts as SIGHUP where the settings ask for it."""
        signals: list[int] = super().wait_for_signals(timeout)
        source = self.app.source
        watching = self.app.configuration.settings.server.watch_config
        if not signals and watching and source is not None and source.changed():
            return [SIGHUP]
        return signals
