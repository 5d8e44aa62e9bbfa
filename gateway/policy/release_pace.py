"""How soon a slot will be free, judged by how often slots were freed while all were taken. Pure; ``now`` is given.

Time in which slots were free does not count: it tells how little was asked for, not how long a turn takes.
"""

import math
from collections import deque

WINDOW_SECONDS = 60.0
REMEMBERED = 64
SHORTEST_SECONDS, LONGEST_SECONDS = 1, 60


class ReleasePace:
    """The last releases of a limit, on a clock that runs only while all its slots are taken."""

    def __init__(self) -> None:
        self._released: deque[float] = deque(maxlen=REMEMBERED)
        self._counted = 0.0
        self._full_since: float | None = None

    def note(self, full: bool, now: float) -> None:
        """Say whether all slots are taken."""
        if full and self._full_since is None:
            self._full_since = now
        elif not full and self._full_since is not None:
            self._counted = self._clock(now)
            self._full_since = None

    def released(self, now: float) -> None:
        """A slot was given back; to be called before `note`."""
        if self._full_since is not None:
            self._released.append(self._clock(now))

    def seconds_until(self, turns: int, now: float) -> int:
        """Return in how many seconds (1 to 60) ``turns`` more slots will have been freed, at the pace of late.

        Where none was freed lately, the next is taken to be freed now: the longer nothing happens, the longer it says.
        """
        clock = self._clock(now)
        recent = [at for at in self._released if at > clock - WINDOW_SECONDS]
        # With as many as are remembered, what came before the first of them was forgotten.
        elapsed = clock - recent[0] if len(recent) == REMEMBERED else min(clock, WINDOW_SECONDS)
        seconds = turns * elapsed / max(len(recent), 1)
        return min(max(math.ceil(seconds), SHORTEST_SECONDS), LONGEST_SECONDS)

    def _clock(self, now: float) -> float:
        return self._counted + (now - self._full_since if self._full_since is not None else 0.0)
