"""When to look for garbage, so that thousands of open streams are not looked through while all of them wait.

What an exchange held goes when it ends, for it leaves no rings behind. Python's collector looks for rings all the same,
and from time to time at everything there is: with ten thousand open streams that held up all of them for a second.
Therefore what has survived a look is put aside, and only what is new is looked through, a few milliseconds at a time.
What was put aside still goes when nobody refers to it. A ring among it would stay; when there is little to look
through, and once a day at least, all of it is looked at again.
"""

import gc
import time
from collections.abc import Callable
from typing import Protocol

YOUNG_COLLECTIONS = 4
"""After so many collections of the middle generation what survived is put aside: some 30,000 objects."""
FEW_CONNECTIONS = 200
"""With no more open than these, a look at everything takes about as long as at what a start leaves behind: 10 ms."""
AGAIN_SECONDS = 600.0
OVERDUE_SECONDS = 86_400.0
"""After so long everything is looked at however many connections are open, so that nothing grows without bound."""


class Collector(Protocol):
    """What is used of the module `gc`."""

    def get_count(self) -> tuple[int, int, int]: ...

    def collect(self) -> int: ...

    def freeze(self) -> None: ...

    def unfreeze(self) -> None: ...


class Garbage:
    """The looks of one worker. `look` is to be called several times a second."""

    def __init__(self, collector: Collector = gc, clock: Callable[[], float] = time.monotonic) -> None:
        self._collector = collector
        self._clock = clock
        self._put_aside = False
        """Whether anything was put aside since everything was looked at."""
        self._settled_at = 0.0

    def settle(self) -> None:
        """Look at everything, and leave it out from now on: for the end of a start, and moments of leisure."""
        self._collector.unfreeze()
        self._collector.collect()
        self._collector.freeze()
        self._put_aside = False
        self._settled_at = self._clock()

    def look(self, connections: int) -> None:
        """Look through what is new, if it is much; or through everything, where that is little and was long ago."""
        if self._collector.get_count()[2] >= YOUNG_COLLECTIONS:
            self._collector.collect()
            self._collector.freeze()
            self._put_aside = True
        elif self._put_aside:
            patience = AGAIN_SECONDS if connections <= FEW_CONNECTIONS else OVERDUE_SECONDS
            if self._clock() >= self._settled_at + patience:
                self.settle()
