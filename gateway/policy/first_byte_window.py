"""A window of first bytes: what they take at the moment, and how well that is known. Pure.

Only exchanges that began within the window count, for those before ran under another limit. And of those only the ones
that began early enough for the slow among them to have got their first byte, too: the first to be there are always the
quick ones, and would make every short window look better than it was.
"""

from statistics import median
from typing import NamedTuple

SAMPLES = 20
"""First bytes that a look takes at least; half as many as may run at once where that is more."""
MOST_SAMPLES = 1000
_MOST_LOOKS = 5
"""A window is over after so many times ``SAMPLES``, whether it is sure of anything or not."""
_HORIZON = 2.5
"""Exchanges count that began longer ago than so many times the middle: nearly all of their like are there."""
_ERROR_OF_THE_MIDDLE = 0.93
"""The standard error of a middle by the range of the middle half and the root of the number, as of normal values."""


class Look(NamedTuple):
    """What a window says so far."""

    seconds: float
    """The middle of its first-byte times."""
    error: float
    """The standard error of that, as a share of it."""
    last: bool
    """Whether no more is to be waited for."""


class Window:
    """The first bytes of one window. Bounded: by ``MOST_SAMPLES``, and by what runs within the horizon."""

    def __init__(self, began: float | None, allowed: int) -> None:
        """``allowed`` may run at once; without ``began`` the window begins with the first exchange that is told."""
        self._began = began
        self._wanted = min(max(SAMPLES, allowed // 2), MOST_SAMPLES)
        self._next_look = self._wanted
        self._times: list[tuple[float, float]] = []
        self.refused = 0
        self.most_running = 0

    def __len__(self) -> int:
        return len(self._times) + self.refused

    def add(self, began: float, seconds: float | None, running: int) -> bool:
        """Take what became of an exchange, None where it was pushed back; say whether it is time for a look."""
        if self._began is None:
            self._began = began
        if began < self._began:
            return False
        if seconds is None:
            self.refused += 1
        else:
            self._times.append((began, seconds))
        self.most_running = max(self.most_running, running)
        if len(self) < self._next_look:
            return False
        self._next_look = len(self) + max(self._wanted // 4, 1)
        return True

    def look(self, now: float) -> Look | None:
        """Return what is known; None where too little is."""
        if not self._times:
            return None
        horizon = now - _HORIZON * median(seconds for _, seconds in self._times)
        counted = sorted(seconds for began, seconds in self._times if began <= horizon)
        if len(counted) + self.refused < self._wanted or not counted:
            return None
        middle, count = median(counted), len(counted)
        spread = counted[3 * count // 4] - counted[count // 4]
        error = _ERROR_OF_THE_MIDDLE * spread / (middle * count**0.5) if middle > 0 else 0.0
        return Look(middle, error, count >= _MOST_LOOKS * self._wanted)
