"""A limit for one wait of a greenlet: what gevent.Timeout does, without what lets limits stand inside each other.

That costs five times as much, and an upload has two such waits for each of its pieces.
"""

from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import get_hub


class Late(BaseException):
    """Thrown into a greenlet whose `Limit` is over."""


_LOOKS = 4
"""Into so many parts a limit is divided where a standstill is what it is about."""


class Limit:
    """Throws `Late` into the present greenlet after ``seconds`` (None: never), until it is stopped. One at a time."""

    __slots__ = ("_done", "_looks", "_timer")

    def __init__(self, seconds: float | None, progress: Callable[[], int] | None = None) -> None:
        """With ``progress`` the seconds are counted anew whenever it returns another number; roughly, not each time."""
        self._timer: Any = None
        if seconds is None:
            return
        if progress is None:
            self._timer = get_hub().loop.timer(seconds)
            self._timer.start(gevent.getcurrent().throw, Late)
        else:
            self._looks, self._done = 0, progress()
            self._timer = get_hub().loop.timer(seconds / _LOOKS, seconds / _LOOKS)
            self._timer.start(self._look, gevent.getcurrent(), progress)

    def _look(self, greenlet: Any, progress: Callable[[], int]) -> None:
        done = progress()
        self._looks = self._looks + 1 if done == self._done else 0
        self._done = done
        if self._looks >= _LOOKS:
            greenlet.throw(Late)

    def stop(self) -> None:
        """Throw nothing from here on."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
