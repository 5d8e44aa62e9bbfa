"""A limit that finds itself: how many exchanges an upstream bears at once, judged by its time to the first byte. Pure.

A completed exchange says nothing here, for a healthy stream may run for an hour. The first byte does: an upstream that
is asked for more than it bears lets its clients wait for it. So, window by window, the recent first-byte time is held
against the best one, that of an upstream with room to spare (as Netflix's gradient and Vegas do):

- where it is as good, and the limit was reached, the limit grows, by its root at first;
- where it is certainly worse, the limit goes back to the last one that was good; only if there is none, or that one is
  too much as well, it shrinks by as much as the time has grown, as far as that is certain;
- a limit that was too much is remembered as the edge. Below it the limit waits for a few good windows before it tries
  the edge again, and twice as many after each try that failed; where a try goes well, it grows on as at first;
- it shrinks where the upstream itself says 429 or 503, or lets the head time out;
- now and then it is lowered for one window, in which the best is measured anew, for an upstream may change for good:
  soon again where that surprises, rarely and by less where it does not.

What varies much from exchange to exchange is looked at for longer, and is given more doubt.
"""

from gateway.policy.first_byte_window import Look, Window

BEGIN = 20
CALM, TOO_MUCH = 1.04, 1.08
"""Times the best: up to the one all is well, beyond the other it is too much, and between them the limit stays."""
LEAST_GRADIENT = 0.8
PUSHED_BACK_SHARE = 0.1
PUSHED_BACK_FACTOR = 0.85
REACHED_SHARE = 0.9
FIRST_PATIENCE, MOST_PATIENCE = 3, 16
"""Good windows below the edge before it is tried again."""
PROBE_SOON, PROBE_SELDOM, PROBE_RARELY = 4, 40, 160
"""Windows between two measurements of the best."""
_PROBE_DEPTH, _SURE_PROBE_DEPTH = 0.5, 0.75
_SURPRISE = 1.15
_ERROR_OF_A_BEST = 0.07
_DOUBT = 2.0
"""Standard errors by which a window may be wrong."""
_BEST_FOLLOWS = 0.3
_BEST_FOLLOWS_SLOWLY = 0.1
_SHRUNK_BLINDLY = 2
"""Times it may shrink without a good limit to go back to, until the best itself is doubted."""


class AdaptiveLimit:
    """The limit between ``least`` and ``most``, and the window that is being looked at."""

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most
        self._limit = float(min(max(BEGIN, least), most))
        self.best_seconds: float | None = None
        """The first-byte time of an upstream with room to spare; None until it was measured."""
        self._good: float | None = None
        """The last limit that was reached, and good."""
        self._edge: float | None = None
        """The limit that was too much."""
        self._patience, self._calm_windows, self._shrunk = FIRST_PATIENCE, 0, 0
        self._before_probe: float | None = None
        self._windows, self._probe_after, self._sure = 0, PROBE_SOON, False
        self._window = Window(None, self.allowed)

    @property
    def allowed(self) -> int:
        """How many exchanges may run at the moment."""
        return int(self._limit)

    def first_byte(self, began: float, now: float, running: int) -> bool:
        """An exchange sent at ``began`` got its first byte ``now``; say whether the limit may have changed.

        ``running`` is how many run, itself included.
        """
        return self._window.add(began, now - began, running) and self._looked(now)

    def pushed_back(self, began: float, now: float, running: int) -> bool:
        """As `first_byte`, for one that the upstream refused for its load, or let wait in vain."""
        return self._window.add(began, None, running) and self._looked(now)

    def _looked(self, now: float) -> bool:
        """Look at the window; say whether it is over."""
        window = self._window
        if window.refused >= PUSHED_BACK_SHARE * len(window):
            self._back_off()
        elif (look := window.look(now)) is None or not self._judged(look):
            return False
        self._window = Window(now, self.allowed)
        return True

    def _judged(self, look: Look) -> bool:
        """Draw a conclusion from the window; False where it should go on."""
        best = self.best_seconds
        if (best is None or self._before_probe is not None) and look.error > _ERROR_OF_A_BEST and not look.last:
            return False
        if self._before_probe is not None:
            self._end_probe(self._before_probe, look)
            return True
        if best is None:
            best = self.best_seconds = look.seconds
        ratio = look.seconds / best if best > 0 else 1.0
        doubt = _DOUBT * look.error
        too_much = ratio - doubt > TOO_MUCH
        # Below an edge that is known nothing is lost by waiting for a better look.
        unclear = ratio > CALM if self._edge is None else True
        if not look.last and not too_much and ratio + doubt > (CALM + TOO_MUCH) / 2 and unclear:
            return False
        self._windows += 1
        if ratio + doubt < 1 / TOO_MUCH:
            self.best_seconds = best + (look.seconds - best) * _BEST_FOLLOWS
        elif self._edge is None and ratio <= CALM:
            self.best_seconds = best + (look.seconds - best) * _BEST_FOLLOWS_SLOWLY
        if too_much:
            self._shrink(ratio - doubt)
        elif self._windows >= self._probe_after:
            self._begin_probe()
        elif ratio <= CALM + 0.75 * doubt and self._window.most_running >= REACHED_SHARE * self.allowed:
            self._grow()
        return True

    def _grow(self) -> None:
        self._good, self._shrunk = self._limit, 0
        if self._edge is not None and self._limit >= self._edge:
            self._edge, self._patience = None, FIRST_PATIENCE
        wanted = self._limit + max(1.0, 0.5 * float(self._limit**0.5))
        if self._edge is not None and wanted >= self._edge:
            if self._limit < self._edge - 1:
                wanted = self._edge - 1
            else:
                self._calm_windows += 1
                if self._calm_windows < self._patience:
                    return
                wanted = max(self._edge, self._limit + 1)
        self._calm_windows = 0
        self._set(wanted)

    def _shrink(self, ratio: float) -> None:
        """Make it smaller; the time to the first byte is at least ``ratio`` times the best."""
        self._edge, self._calm_windows = self._limit, 0
        if self._good is not None and self._good < self._limit:
            self._patience = min(2 * self._patience, MOST_PATIENCE)
            self._set(self._good)
            return
        self._good, self._patience = None, FIRST_PATIENCE
        self._set(self._limit * max(1 / ratio, LEAST_GRADIENT))
        self._shrunk += 1
        if self._shrunk >= _SHRUNK_BLINDLY:
            self._sure = False
            self._begin_probe()

    def _back_off(self) -> None:
        self._before_probe = None
        self._edge, self._good, self._calm_windows = self._limit, None, 0
        self._set(self._limit * PUSHED_BACK_FACTOR)

    def _begin_probe(self) -> None:
        self._windows, self._shrunk = 0, 0
        self._before_probe = self._limit
        self._set(self._limit * (_SURE_PROBE_DEPTH if self._sure else _PROBE_DEPTH))

    def _end_probe(self, before: float, look: Look) -> None:
        """The upstream had room to spare: what it took is the best it does nowadays."""
        best = self.best_seconds if self.best_seconds is not None else look.seconds
        expected = _SURPRISE + _DOUBT * look.error
        self._sure = best / expected <= look.seconds <= best * expected
        if self._sure:
            self._probe_after = min(max(2 * self._probe_after, PROBE_SELDOM), PROBE_RARELY)
            self.best_seconds = best + (look.seconds - best) * _BEST_FOLLOWS
        else:
            self._probe_after = PROBE_SOON
            self.best_seconds = look.seconds
            if look.seconds < best:
                self._good = self._limit  # It was no room to spare that the best before was measured with.
        self._before_probe = None
        self._set(before)

    def _set(self, limit: float) -> None:
        self._limit = min(max(limit, float(self.least)), float(self.most))
