"""A limit for one wait of a greenlet: what gevent.Timeout does, without what lets limits stand inside each other.

That costs five times as much, and an upload has two such waits for each of its pieces.
"""

from typing import Any

import gevent
from gevent.hub import get_hub


class Late(BaseException):
    """Thrown into a greenlet whose `Limit` is over."""


class Limit:
    """Throws `Late` into the present greenlet after ``seconds`` (None: never), until it is stopped. One at a time."""

    __slots__ = ("_timer",)

    def __init__(self, seconds: float | None) -> None:
        self._timer: Any = None
        if seconds is not None:
            self._timer = get_hub().loop.timer(seconds)
            self._timer.start(gevent.getcurrent().throw, Late)

    def stop(self) -> None:
        """Throw nothing from here on."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
