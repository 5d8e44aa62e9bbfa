"""Work that nobody waits for, done for several at once when the loop comes round.

What is done in one go finds its code and its data in the processor's caches: ten log lines in a row take half the time
of ten with a request between each two.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from gevent.hub import get_hub

T = TypeVar("T")
MOST_WAITING = 64
"""Work that may wait: a client whose requests follow one another without a pause keeps the loop from coming round."""


class Later(Generic[T]):
    """Calls ``work`` once for everything that was put, in that order, when the loop comes round: within milliseconds.

    Where MOST_WAITING are waiting before that, they are worked on at once.
    """

    __slots__ = ("_called", "_failed", "_waiting", "_work")

    def __init__(self, work: Callable[[T], object], failed: Callable[[T, Exception], object]) -> None:
        """``failed`` hears of what ``work`` raises; the others are worked on all the same."""
        self._work = work
        self._failed = failed
        self._waiting: list[T] = []
        self._called = False
        """Whether the loop was asked to come by."""

    def put(self, item: T) -> None:
        """Let ``item`` be worked on soon."""
        self._waiting.append(item)
        if len(self._waiting) >= MOST_WAITING:
            self.flush()
        elif not self._called:
            self._called = True
            get_hub().loop.run_callback(self._come_round)

    def _come_round(self) -> None:
        self._called = False
        self.flush()

    def flush(self) -> None:
        """Do now what waits, for nobody may be there to do it later."""
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            try:
                self._work(item)
            except Exception as error:
                self._failed(item, error)
