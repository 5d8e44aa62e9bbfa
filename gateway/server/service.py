"""What one worker serves: applications and listeners made from a configuration, and changed when a new one comes."""

import logging
import ssl
from typing import TYPE_CHECKING, Any

import gevent

from gateway.app import Applications
from gateway.observe.line import LineLog
from gateway.server.bulletin import Bulletin
from gateway.server.configuration import Configuration, Rejection
from gateway.server.listener import Listener, Manner
from gateway.server.logs import configure
from gateway.server.request import Limits
from gateway.server.tls import server_context

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.store.keeping import Store

_LAST_ROWS_SECONDS = 4.0
"""What the store gets to write what waits, when it is closed; the master is patient for longer (F14)."""

_log = logging.getLogger("gateway.server")


class Service:
    """Made in each worker, after the fork: connections to upstreams must not be shared."""

    def __init__(self, configuration: Configuration, bulletin: Bulletin) -> None:
        self._settings = configuration.settings
        self._bulletin = bulletin
        self._applications = Applications(
            configuration.plan, _line_log(configuration.settings), _store(configuration.settings)
        )
        self._data: list[Listener] = []
        self._admin: list[Listener] = []
        self.live = self._applications.live

    @property
    def drain_seconds(self) -> float:
        """How long running streams may go on when the worker is told to stop."""
        return self._settings.server.drain_timeout

    def listeners(self, worker: Any) -> list[Listener]:
        """Return one listener for each of the worker's sockets: the data listeners, then the admin listener."""
        applications = self._applications
        context = _tls(self._settings)
        data_count = len(self._settings.server.listen)
        data, admin = worker.sockets[:data_count], worker.sockets[data_count:]
        served: list[tuple[Any, Any, list[Listener]]] = [(sock, applications.data, self._data) for sock in data]
        served += [(sock, applications.admin, self._admin) for sock in admin]
        for sock, application, group in served:
            listener = Listener(
                sock=sock,
                cfg=worker.cfg,
                application=application,
                is_draining=lambda: self.live.draining,
                record_refusal=applications.record_refusal,
                manner=_manner(self._settings, context if group is self._data else None),
            )
            group.append(listener)
        return self._data + self._admin

    def prune(self) -> None:
        """Close connections to upstreams that have been idle for too long."""
        self._applications.prune()

    def stop_checks(self) -> None:
        """Ask no upstream for its health any more."""
        self._applications.stop_checks()

    def close_store(self) -> None:
        """Bring the records that wait to the database, for a moment. To be called when no exchange runs any more."""
        store = self._applications.store
        if store is not None:
            store.close(_LAST_ROWS_SECONDS)

    def look_for_news(self) -> None:
        """Adopt a configuration that the master has read meanwhile. Running exchanges keep what they began with."""
        news = self._bulletin.changed()
        if news is None:
            return
        rejected = news.summary if isinstance(news, Rejection) else None
        if isinstance(news, Configuration):
            try:
                self._adopt(news)
            except (OSError, ValueError) as error:
                rejected = str(error)
                _log.error("the new configuration cannot be used, the one before stays: %s", error)
        self._applications.status.offered(rejected)

    def _adopt(self, new: Configuration) -> None:
        context = _tls(new.settings)
        self._applications.adopt(new.plan, _line_log(new.settings))
        if new.settings.store != self._settings.store:
            before, self._applications.store = self._applications.store, _store(new.settings)
            if before is not None:
                gevent.spawn(before.close, _LAST_ROWS_SECONDS)
        for listener in self._data:
            # A listener cannot begin or cease to speak TLS; a new certificate counts from the next connection on.
            same = (listener.manner.tls is None) == (context is None)
            listener.manner = _manner(new.settings, context if same else listener.manner.tls)
        configure(new.settings.log.level)
        self._settings = new.settings


def _manner(settings: "Settings", tls: ssl.SSLContext | None) -> Manner:
    server = settings.server
    return Manner(
        limits=Limits(server.max_request_line, server.max_header_fields, server.max_header_size),
        head_seconds=server.head_timeout,
        keepalive_seconds=server.keepalive_timeout,
        max_connections=server.max_connections,
        tls=tls,
    )


def _line_log(settings: "Settings") -> LineLog:
    return LineLog(settings.log.format, logging.getLogger("gateway.exchange"))


def _store(settings: "Settings") -> "Store | None":
    """Return the store, opened in this process; None where none is configured."""
    kept = settings.store
    if kept is None:
        return None
    # Loaded where it is wanted: with its library it is larger than everything else of ours.
    from gateway.store.keeping import Store
    from gateway.store.plan import StorePlan

    plan = StorePlan(
        url=kept.url,
        queue=kept.queue,
        batch=kept.batch,
        flush_seconds=kept.flush,
        keep_seconds=kept.keep,
        max_rows=kept.max_rows,
        max_size=kept.max_size,
        query_strings=kept.query_strings,
        leave_out=frozenset(kept.leave_out),
        export_seconds=kept.export_timeout,
    )
    return Store(plan)


def _tls(settings: "Settings") -> ssl.SSLContext | None:
    tls = settings.server.tls
    return None if tls is None else server_context(tls.certificate, tls.key, tls.client_ca)
