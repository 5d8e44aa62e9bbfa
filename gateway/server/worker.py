"""The worker: serves its listeners until it is told to stop, and then ends by itself.

On stop gunicorn's master kills workers at the very moment at which a worker would clean up (F14), so the worker drains
on its own clock: new exchanges are refused, running streams go on until `drain_timeout`, what still runs then is
ended by name, and only then does the process leave. The master's patience is set longer than that.
"""

import logging
import os
import time
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

from gateway.exchange.failure import DRAINED, Failure
from gateway.server.freed_memory import keep_freed_memory
from gateway.server.garbage import Garbage
from gateway.server.listener import Listener

_LAST_WORDS_SECONDS = 2.0
"""What streams that were ended get to say so to their clients."""
_TICK_SECONDS = 0.1

_log = logging.getLogger("gateway.server")


class GatewayWorker(GeventWorker):
    """One process of the gateway."""

    alive: bool
    hurried = False
    """Whether the stop is immediate (SIGINT, SIGQUIT): streams are ended at once, but with a record."""

    def run(self) -> None:
        """Serve until stopped, then drain."""
        service = self.wsgi
        listeners: list[Listener] = service.listeners(self)
        for listener in listeners:
            listener.start()
        keep_freed_memory()
        garbage = Garbage()
        garbage.settle()
        _log.info("worker %s is ready", self.pid)
        beat = time.monotonic()
        while self.alive:
            if time.monotonic() >= beat:
                self.notify()
                service.prune()
                service.tell_metrics()
                beat = time.monotonic() + 1.0
            service.look_for_news()
            garbage.look(sum(listener.busy for listener in listeners))
            gevent.sleep(_TICK_SECONDS)
        self._drain(listeners)

    def _drain(self, listeners: list[Listener]) -> None:
        live = self.wsgi.live
        live.draining = True
        self.wsgi.stop_checks()
        seconds = self.wsgi.drain_seconds
        if live and not self.hurried:
            _log.info("worker %s drains: %d streams may go on for %g s", self.pid, len(live), seconds)
        for listener in listeners:
            listener.end_idle()
        self._wait_while(lambda: bool(live) and not self.hurried, seconds)
        ended = live.interrupt_all(Failure(DRAINED, f"shutdown after {seconds:g} s of draining"))
        if ended:
            _log.warning("worker %s ended %d streams", self.pid, ended)
        for listener in listeners:
            listener.stop()
            listener.end_idle(new_too=True)
        self._wait_while(lambda: bool(live) or any(listener.busy for listener in listeners), _LAST_WORDS_SECONDS)
        self.wsgi.settle()
        self.wsgi.close_store()
        self.wsgi.tell_metrics()
        _log.info("worker %s has stopped", self.pid)

    def _wait_while(self, condition: Any, seconds: float) -> None:
        until = time.monotonic() + seconds
        beat = time.monotonic()
        while condition() and time.monotonic() < until:
            if time.monotonic() >= beat:
                self.notify()
                self.wsgi.tell_metrics()
                beat = time.monotonic() + 1.0
            gevent.sleep(_TICK_SECONDS)

    def notify(self) -> None:
        """Tell the master that we are alive; where it is gone, drain: leaving at once would cut streams unrecorded."""
        super(GeventWorker, self).notify()
        if self.alive and self.ppid != os.getppid():
            _log.warning("the master is gone, worker %s stops", self.pid)
            self.alive = False

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Stop at once, but not without a record."""
        self.hurried = True
        self.alive = False

    def handle_abort(self, sig: int, frame: Any) -> None:
        """The master lost patience with a worker that did not answer (SIGABRT)."""
        _log.error("worker %s was found stuck and ends", self.pid)
        super().handle_abort(sig, frame)
