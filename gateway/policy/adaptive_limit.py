"""A limit that finds itself: how many exchanges an upstream bears at once, judged by its time to the first byte. Pure.

A completed exchange says nothing here, for a healthy stream may run for an hour. The first byte does: an upstream that
is asked for more than it bears lets its clients wait for it. So, window by window (Netflix's gradient, which Envoy's
adaptive concurrency follows as well, with the first byte in the place of the whole latency):

- the gradient is the best first-byte time over the recent one, at most 1; a tenth more than the best is no sign yet;
- the limit becomes ``limit * gradient`` and a little headroom, which lets it grow where the gradient is 1;
- it grows only if it was reached, and shrinks where the upstream itself says 429 or 503, or lets the head time out;
- now and then it is halved for one window, in which the best is measured anew: an upstream may change for good.

Only exchanges that began within a window count in it, for those before ran under another limit.
"""

from statistics import median

BEGIN = 20
SAMPLES = 20
"""A window lasts for so many first bytes at least, and for one from each of half as many as may run at once."""
TOLERANCE = 1.1
LEAST_GRADIENT = 0.8
PUSHED_BACK_SHARE = 0.1
PUSHED_BACK_FACTOR = 0.85
REACHED_SHARE = 0.9
BEST_FALLS, BEST_RISES = 0.3, 0.02
PROBE_AFTER_WINDOWS = 40
MOST_SAMPLES = 1000


class AdaptiveLimit:
    """The limit between ``least`` and ``most``, and the window that is being looked at."""

    _seconds: list[float]
    _refusals: int
    _most_running: int

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most
        self._limit = float(min(max(BEGIN, least), most))
        self.best_seconds: float | None = None
        """The first-byte time of an upstream with room to spare; None until the first window is over."""
        self._before_probe: float | None = None
        self._windows = 0
        self._began: float | None = None
        self._clear()

    @property
    def allowed(self) -> int:
        """How many exchanges may run at the moment."""
        return int(self._limit)

    def first_byte(self, began: float, now: float, running: int) -> bool:
        """An exchange sent at ``began`` got its first byte ``now``; say whether the limit may have changed.

        ``running`` is how many run, itself included.
        """
        return self._count(began, now, running, pushed_back=False)

    def pushed_back(self, began: float, now: float, running: int) -> bool:
        """As `first_byte`, for one that the upstream refused for its load, or let wait in vain."""
        return self._count(began, now, running, pushed_back=True)

    def _count(self, began: float, now: float, running: int, *, pushed_back: bool) -> bool:
        if self._began is None:
            self._began = began
        if began < self._began:
            return False
        if pushed_back:
            self._refusals += 1
        else:
            self._seconds.append(now - began)
        self._most_running = max(self._most_running, running)
        count = len(self._seconds) + self._refusals
        if count < min(max(SAMPLES, self.allowed // 2), MOST_SAMPLES):
            return False
        self._close_window()
        self._began = now
        self._clear()
        return True

    def _clear(self) -> None:
        self._seconds = []
        self._refusals = 0
        self._most_running = 0

    def _close_window(self) -> None:
        if self._refusals >= PUSHED_BACK_SHARE * (len(self._seconds) + self._refusals):
            self._set(self._limit * PUSHED_BACK_FACTOR)
            self._before_probe = None
            return
        recent = median(self._seconds)
        if self._before_probe is not None:
            self._end_probe(recent)
            return
        best = self.best_seconds = self._best(recent)
        self._windows += 1
        if self._windows >= PROBE_AFTER_WINDOWS:
            self._windows = 0
            self._before_probe = self._limit
            self._set(self._limit / 2)
            return
        gradient = min(max(TOLERANCE * best / recent, LEAST_GRADIENT), 1.0) if recent > 0 else 1.0
        wanted = self._limit * gradient + _headroom(self._limit)
        if wanted < self._limit or self._most_running >= REACHED_SHARE * self.allowed:
            self._set(wanted)

    def _end_probe(self, recent: float) -> None:
        """The upstream had room to spare: what it took is the best it does nowadays."""
        assert self._before_probe is not None
        self.best_seconds = recent
        self._set(self._before_probe)
        self._before_probe = None

    def _best(self, recent: float) -> float:
        """Move towards ``recent``: a good part of the way down, for one lucky window is not the truth; hardly up."""
        best = self.best_seconds
        if best is None:
            return recent
        return best + (recent - best) * (BEST_FALLS if recent < best else BEST_RISES)

    def _set(self, limit: float) -> None:
        self._limit = min(max(limit, float(self.least)), float(self.most))


def _headroom(limit: float) -> float:
    return max(1.0, 0.5 * float(limit**0.5))
