"""Whether octets keep coming at a minimum rate, seen from samples of a counter; a chunk costs nothing. Pure.

The counter is looked at four times a window. A look that finds somebody else's turn (a client that does not read, an
upstream that does not take) does not count as time, so that nobody is judged by another's pace.
"""

from collections.abc import Callable

from gateway.exchange.failure import Failure, Kind

LOOKS = 4


class RateWatch:
    """The current window. ``due`` is when to look again."""

    __slots__ = ("_count", "_left", "_octets", "_seconds", "_start", "_their_turn", "_timeout", "due")

    def __init__(
        self, timeout: Kind, rate: tuple[int, float], count: Callable[[], int], their_turn: Callable[[], bool]
    ) -> None:
        """``rate`` is octets and the seconds of a window; ``their_turn`` says whether who is watched is waited for."""
        self._timeout = timeout
        self._octets, self._seconds = rate
        self._count = count
        self._their_turn = their_turn
        self._start = 0
        self._left = LOOKS
        self.due = 0.0

    def begin(self, now: float) -> float:
        """Begin a window; return when to look."""
        self._start = self._count()
        self._left = LOOKS
        self.due = now + self._seconds / LOOKS
        return self.due

    def look(self, now: float) -> Failure | None:
        """Return the failure where a window is over with too little in it. A look before ``due`` changes nothing."""
        if now < self.due:
            return None
        self.due = now + self._seconds / LOOKS
        came = self._count() - self._start
        if came >= self._octets:
            self.begin(now)
        elif self._their_turn():
            self._left -= 1
            if self._left == 0:
                return Failure(self._timeout, f"{came} octets in {self._seconds:g} s, {self._octets} are asked for")
        return None
