"""What one worker serves: applications and listeners made from a configuration, and changed when a new one comes."""

import logging
import os
import signal
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gevent

from gateway.app import Applications
from gateway.observe.line import LineLog
from gateway.server.bulletin import Bulletin
from gateway.server.configuration import Configuration, Rejection
from gateway.server.door import Door, Entry
from gateway.server.ledger import Ledger
from gateway.server.listener import Listener, Manner
from gateway.server.logs import configure
from gateway.server.request import Limits
from gateway.server.switchboard import Switchboard
from gateway.server.tls import server_context

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.settings.server import ListenerTlsSettings
    from gateway.settings.whole import Table
    from gateway.store.keeping import Store

_RELOAD_SECONDS = 10.0
"""How long whoever asks for a reload waits for what came of it."""
_LOOK_SECONDS = 0.05

_LAST_ROWS_SECONDS = 4.0
"""What the store gets to write what waits, when it is closed; the master is patient for longer (F14)."""

_LAST_SPANS_SECONDS = 3.0
"""What the sender of spans gets at the same time."""

_log = logging.getLogger("gateway.server")


class Service:
    """Made in each worker, after the fork: connections to upstreams must not be shared."""

    def __init__(
        self,
        configuration: Configuration,
        bulletin: Bulletin,
        *,
        can_read_again: bool = False,
        ledger: Ledger | None = None,
        switchboard: Switchboard | None = None,
    ) -> None:
        """``can_read_again`` says whether the configuration came from a file.

        ``ledger`` is that of all workers, ``switchboard`` leads to the others.
        """
        self._settings = configuration.settings
        self._configuration = configuration
        self._bulletin = bulletin
        self._master = os.getppid()
        self._data: list[Listener] = []
        self._admin: list[Listener] = []
        self._applications = Applications(
            configuration.plan,
            _line_log(configuration.settings),
            self._read_again if can_read_again else None,
            store=_store(configuration.settings),
            colleagues=switchboard,
            # Nobody could read what is counted where there is no admin listener.
            ledger=ledger if configuration.settings.admin.listen is not None else None,
            breathe=lambda: gevent.sleep(0),
            connections=lambda: sum(listener.busy for listener in self._data),
            configured=self._configured,
        )
        if switchboard is not None:
            switchboard.take(self._applications.overview.answer)
        self.live = self._applications.live
        self._door = Door()

    @property
    def drain_seconds(self) -> float:
        """How long running streams may go on when the worker is told to stop."""
        return self._settings.server.drain_timeout

    def listeners(self, worker: Any) -> list[Listener]:
        """Return one listener for each of the worker's sockets: the data listeners, then the admin listener."""
        applications = self._applications
        context, admin_context = _tls(self._settings.server.tls), _tls(self._settings.admin.tls)
        data_count = len(self._settings.server.listen)
        data, admin = worker.sockets[:data_count], worker.sockets[data_count:]
        served: list[tuple[Any, Any, list[Listener]]] = [
            (sock, applications.data.wsgi_app, self._data) for sock in data
        ]
        served += [(sock, applications.admin, self._admin) for sock in admin]
        for sock in admin:
            _keep_others_out(sock)
        for sock, application, group in served:
            listener = Listener(
                sock=sock,
                cfg=worker.cfg,
                application=application,
                is_draining=lambda: self.live.draining,
                record_refusal=applications.record_refusal,
                manner=self._manner(self._settings, group, context if group is self._data else admin_context),
                door=self._door if group is self._data else Door(),
            )
            group.append(listener)
        return self._data + self._admin

    def prune(self) -> None:
        """Close connections to upstreams that have been idle for too long."""
        self._applications.prune()

    def tell_metrics(self) -> None:
        """Let the other workers know what this one has counted. To be called every second, and last of all."""
        try:
            self._applications.tick()
        except Exception:
            _log.exception("the metrics could not be told")  # Streams go on without them.

    def stop_checks(self) -> None:
        """Ask no upstream for its health any more."""
        self._applications.stop_checks()

    def _read_again(self) -> bool | None:
        """Let the master read the file again; return whether this worker adopted it, None where that took too long."""
        status = self._applications.status
        before, until = status.configurations, time.monotonic() + _RELOAD_SECONDS
        if os.getppid() != self._master:
            return None  # It is gone, and the id may be another process's.
        os.kill(self._master, signal.SIGHUP)
        while status.configurations == before and time.monotonic() < until:
            gevent.sleep(_LOOK_SECONDS)
        return None if status.configurations == before else status.rejected is None

    def settle(self) -> None:
        """Send what ended exchanges left to be sent to the shared store."""
        self._applications.settle()

    def close_store(self) -> None:
        """Bring the records that wait to the database, and spans to their receiver, for a moment.

        To be called when no exchange runs any more.
        """
        spans = gevent.spawn(self._applications.close_tracer, _LAST_SPANS_SECONDS)
        store = self._applications.records.store
        if store is not None:
            store.close(_LAST_ROWS_SECONDS)
        spans.join()

    def look_for_news(self) -> None:
        """Adopt a configuration that the master has read meanwhile. Running exchanges keep what they began with."""
        news = self._bulletin.changed()
        if news is None:
            return
        rejected = news.summary if isinstance(news, Rejection) else None
        needs_restart = news.needs_restart if isinstance(news, Configuration) else self._configuration.needs_restart
        if isinstance(news, Configuration):
            try:
                self._adopt(news)
            except Exception as error:
                rejected = str(error) or type(error).__name__
                defect = None if isinstance(error, OSError | ValueError) else error
                _log.error("the new configuration cannot be used, the one before stays: %s", rejected, exc_info=defect)
        self._applications.status.offered(rejected, needs_restart)

    def _adopt(self, new: Configuration) -> None:
        """Serve ``new`` from now on: what can fail is made before anything changes."""
        context, admin_context = _tls(new.settings.server.tls), _tls(new.settings.admin.tls)
        manners = [
            (listener, self._manner(new.settings, group, _as_before(listener, tls)))
            for group, tls in ((self._data, context), (self._admin, admin_context))
            for listener in group
        ]
        before = self._applications.records.store
        store = before if new.settings.store == self._settings.store else _store(new.settings)
        try:
            self._applications.adopt(new.plan, _line_log(new.settings))  # All of it, or nothing.
        except BaseException:
            if store is not None and store is not before:
                store.close(0.0)
            raise
        for listener, manner in manners:
            listener.manner = manner
        self._applications.records.store = store
        if before is not None and store is not before:
            gevent.spawn(before.close, _LAST_ROWS_SECONDS)
        configure(new.settings.log.level)
        self._settings, self._configuration = new.settings, new

    def _configured(self) -> "Iterator[Table] | None":
        """Yield the tables of the configuration that counts; None where nobody knows what they say."""
        found = self._configuration
        if found.sources is None:
            return None
        # Loaded, and unpacked, for who looks.
        from gateway.settings.whole import tables, unpacked

        return tables(found.settings, [route.name for route in found.plan.routes], unpacked(found.sources))

    def _manner(self, settings: "Settings", group: list[Listener], tls: ssl.SSLContext | None) -> Manner:
        """Return how a listener treats its clients; the admin one as the data listeners do, but whoever they are."""
        manner = _manner(settings, tls)
        return manner if group is self._data else replace(manner, entry=Entry())


def _as_before(listener: Listener, tls: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Return what a listener speaks from now on, where ``tls`` is wanted: it cannot begin or cease to speak TLS.

    A new certificate counts from the next connection on.
    """
    before = listener.manner.tls
    return tls if (before is None) == (tls is None) else before


def _manner(settings: "Settings", tls: ssl.SSLContext | None) -> Manner:
    server = settings.server
    return Manner(
        limits=Limits(
            server.max_request_line, server.max_header_fields, server.max_header_size, server.max_headers_size
        ),
        head_seconds=server.head_timeout,
        keepalive_seconds=server.keepalive_timeout,
        max_connections=server.max_connections,
        tls=tls,
        entry=Entry(
            addresses=server.addresses.rule(),
            most_per_address=server.max_connections_per_address,
            trusted=settings.forwarding.compiled().trusted,
            proxy_protocol=server.proxy_protocol == "required",
        ),
    )


def _keep_others_out(sock: Any) -> None:
    """Let only owner and group of a unix socket connect: gunicorn lets everybody who can reach its directory."""
    name = sock.getsockname()
    if isinstance(name, str) and name:
        os.chmod(name, 0o660)


def _line_log(settings: "Settings") -> LineLog:
    return LineLog(settings.log.format, logging.getLogger("gateway.exchange"))


def _tls(tls: "ListenerTlsSettings | None") -> ssl.SSLContext | None:
    if tls is None:
        return None
    optional = getattr(tls, "client_certificates", "required") == "optional"  # The admin side has no routes to ask.
    return server_context(tls.certificate, tls.key, tls.client_ca, optional_certificates=optional)


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
