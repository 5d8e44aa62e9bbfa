"""How many retries an upstream is asked to bear: a share of what it is asked anyway, so that retries never become
the outage.

What counts is under way now, or was a moment ago: exchanges for `RECENT_SECONDS` behind their end, so that short ones
count too, and each retry from its beginning until `RECENT_SECONDS` behind the end of its attempt. Pure: `now` comes
from outside, in seconds on one clock that never goes back.
"""

RECENT_SECONDS = 10
ALWAYS_ALLOWED = 3
"""Retries that may count at once however little is going on, or an upstream that is asked rarely had none."""


class Recent:
    """Counts what happened within the last `RECENT_SECONDS`, to the second, in constant memory."""

    __slots__ = ("_counts", "_second", "_total")

    def __init__(self) -> None:
        self._counts = [0] * RECENT_SECONDS
        self._second = 0
        self._total = 0

    def add(self, now: float) -> None:
        """Count one more."""
        self._forget(now)
        self._counts[self._second % RECENT_SECONDS] += 1
        self._total += 1

    def total(self, now: float) -> int:
        """Return how many there were."""
        self._forget(now)
        return self._total

    def _forget(self, now: float) -> None:
        second = int(now)
        for passed in range(max(self._second + 1, second - RECENT_SECONDS + 1), second + 1):
            self._total -= self._counts[passed % RECENT_SECONDS]
            self._counts[passed % RECENT_SECONDS] = 0
        self._second = max(second, self._second)


class Budget:
    """The retries of one upstream in one worker. ``key`` is an exchange, for as long as it is under way."""

    __slots__ = ("_active", "_ended", "_ended_retries", "_retrying", "refused")

    def __init__(self) -> None:
        self._active = 0
        self._ended = Recent()
        self._retrying: set[int] = set()
        self._ended_retries = Recent()
        self.refused = 0
        """Retries that there were too many for, so far."""

    def __repr__(self) -> str:
        return f"<Budget {len(self._retrying)} retries in {self._active} exchanges, {self.refused} refused>"

    def enter(self) -> None:
        """An exchange begins."""
        self._active += 1

    def leave(self, key: int, now: float) -> None:
        """An exchange has ended, and with it a retry of its that may be under way."""
        self.ended(key, now)
        self._active -= 1
        self._ended.add(now)

    def begin(self, key: int, now: float, share: float | None) -> bool:
        """Say whether ``key`` may begin a retry; it is counted then. ``share`` None allows any number."""
        spent = self.spent(now)
        if share is not None and spent >= max(ALWAYS_ALLOWED, int(share * (self._active + self._ended.total(now)))):
            self.refused += 1
            return False
        self._retrying.add(key)
        return True

    def spent(self, now: float) -> int:
        """Return how many retries count at the moment."""
        return len(self._retrying) + self._ended_retries.total(now)

    def ended(self, key: int, now: float) -> None:
        """The attempt of ``key`` has ended; harmless where it was no retry."""
        if key in self._retrying:
            self._retrying.remove(key)
            self._ended_retries.add(now)
