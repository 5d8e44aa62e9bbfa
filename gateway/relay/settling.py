"""A greenlet that sends what exchanges left to be sent, when it is woken."""

import logging
from collections.abc import Callable

import gevent
from gevent.event import Event

_EVERY_SECONDS = 2.0
_BETWEEN_SECONDS = 0.005
"""Who ends together is sent together."""

_log = logging.getLogger("gateway")


class Settling:
    """Calls ``settle`` when woken and every two seconds, until it is retired and ``idle`` says that nothing is left."""

    def __init__(self, settle: Callable[[], None], idle: Callable[[], bool], close: Callable[[], None]) -> None:
        self._settle, self._idle, self._close = settle, idle, close
        self._woken = Event()
        self._retired = False
        self._greenlet = gevent.spawn(self._run)

    def wake(self) -> None:
        """There is something to send."""
        self._woken.set()

    def retire(self) -> None:
        """End once nothing is left, and close what it sent with."""
        self._retired = True
        self._woken.set()

    def _run(self) -> None:
        while not (self._retired and self._idle()):
            self._woken.wait(_EVERY_SECONDS)
            gevent.sleep(_BETWEEN_SECONDS)
            self._woken.clear()
            try:
                self._settle()
            except Exception as error:
                _log.error("what exchanges left could not be sent", exc_info=error)  # The next time it may.
        self._close()
