"""One way to end a waiting exchange from outside: an exception thrown into its greenlet.

An exchange waits in socket I/O of one greenlet. Whoever must end it (its deadlines, the watch on its client, its
upload, shutdown) calls `interrupt` with the reason. The reason is written down first and thrown afterwards, from the
hub, and only while the exchange is armed: a greenlet that finished in between is never hit by an old exception.
"""

from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import get_hub

from gateway.exchange.failure import TOTAL_TIMEOUT, Failure, Interruption, Kind, Side
from gateway.relay.rate_watch import RateWatch

_LOOK_AGAIN_SECONDS = 0.1
"""How soon to look again whether it is the upstream's turn, once what is expected of it is late."""


class Interrupts:
    """The interrupters of one exchange: `interrupt` for others, deadlines of its own.

    Deadlines are lazy. At most one timer is armed; entering a phase only notes when it began and how long it may
    last, and a timer that fires too early is armed again for what is left. A chunk therefore costs one attribute.
    """

    __slots__ = (
        "_armed", "_clock", "_expected", "_expected_at", "_final", "_fires_at", "_limit", "_rate", "_target",
        "_timeout", "_timer", "_total_at", "failure", "since",
    )  # fmt: skip

    def __init__(self, clock: Callable[[], float]) -> None:
        self._target = gevent.getcurrent()
        self._clock = clock
        self._armed = True
        self.failure: Failure | None = None
        """The reason, once there is one."""
        self._final: Failure | None = None
        """A later reason, which counts if the first one ends only an attempt."""
        self._timer: Any = None
        self._fires_at = 0.0
        self._limit: float | None = None
        self._timeout: Kind | None = None
        self.since: float | None = None
        """When the wait that the phase limits began; None while it is somebody else's turn."""
        self._total_at: float | None = None
        self._rate: RateWatch | None = None
        self._expected: Failure | None = None
        self._expected_at: float | None = None

    def interrupt(self, failure: Failure) -> None:
        """End the exchange for ``failure``; the first reason counts, later ones are ignored."""
        if not self._armed or self.failure is not None:
            if self._final is None and failure.kind.side is not Side.UPSTREAM:
                self._final = failure
            return
        self.failure = failure
        get_hub().loop.run_callback(self._throw)

    def _throw(self) -> None:
        if self._armed and self.failure is not None:
            self._armed = False
            self._target.throw(Interruption(self.failure))

    def pause(self, seconds: float) -> None:
        """Wait ``seconds`` between two attempts; what the upstream did to the last one is forgotten.

        Raises ``Interruption`` where there is a reason to end the exchange, also one that came before.
        """
        ends = self._final
        if self.failure is not None and self.failure.kind.side is not Side.UPSTREAM:
            ends = self.failure
        self.failure = ends
        if ends is not None:
            self._armed = False
            raise Interruption(ends)
        self._armed = True
        self._limit = self._timeout = self.since = self._rate = self._expected = self._expected_at = None
        self._stop_timer()
        if self._total_at is not None:
            self._arm(self._total_at - self._clock())
        if seconds > 0:
            gevent.sleep(seconds)

    def disarm(self) -> None:
        """Stop everything; nothing is thrown from here on."""
        self._armed = False
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def limit_total(self, seconds: float | None) -> None:
        """Let the whole exchange last ``seconds`` from now; once said it holds, and a second call does nothing."""
        if seconds is not None and self._total_at is None:
            self._total_at = self._clock() + seconds
            self._arm(seconds)

    def enter(self, timeout: Kind | None, seconds: float | None) -> None:
        """Begin a phase that may last ``seconds`` and fails as ``timeout``; None for one without a limit."""
        if self.failure is not None and self.failure.kind is self._timeout:
            self._forgive()
        self._timeout = timeout
        self._limit = seconds
        self.since = now = self._clock()
        if seconds is not None and (self._timer is None or self._fires_at > now + seconds):
            self._arm(seconds)

    def _forgive(self) -> None:
        """Drop a timeout that was found but not thrown yet: what it waited for came in the same turn of the loop."""
        if not self._armed:
            return
        self.failure, self._final = self._final, None
        self._stop_timer()
        upcoming = [at for at in (self._expected_at, self._total_at) if at is not None]
        if upcoming:
            self._arm(min(upcoming) - self._clock())

    def expect(self, failure: Failure | None, at: float | None = None) -> None:
        """Fail with ``failure`` where what it is about is not there ``at`` that moment; None lifts what was expected.

        It holds through all phases, beside their limits, until it is lifted; one at a time. It ends nothing while it
        is somebody else's turn, and once lifted nothing that was found in the same turn of the loop.
        """
        found = self._expected is not None and self.failure is self._expected
        self._expected, self._expected_at = failure, at
        if found:
            self._forgive()
            self._resume()
        elif at is not None and self._armed and (self._timer is None or self._fires_at > at):
            self._arm(at - self._clock())

    def _resume(self) -> None:
        """Arm the timer anew for the phase and the rate, which go on when something beside them was forgiven."""
        due = self._phase_due(self._clock())
        for at in (due, self._rate.due if self._rate is not None else None):
            if self._armed and at is not None and (self._timer is None or self._fires_at > at):
                self._arm(at - self._clock())

    def watch_rate(self, watch: RateWatch | None) -> None:
        """Look at ``watch`` now and then, from now on, and end the exchange when it fails. One at a time, or none."""
        self._rate = watch
        if watch is None:
            return
        due = watch.begin(self._clock())
        if self._timer is None or self._fires_at > due:
            self._arm(due - self._clock())

    def _arm(self, seconds: float) -> None:
        self._stop_timer()
        self._fires_at = self._clock() + seconds
        self._timer = get_hub().loop.timer(max(seconds, 0.0005))
        self._timer.start(self._expired)

    def _expired(self) -> None:
        now = self._clock()
        if self._total_at is not None and now >= self._total_at:
            self.interrupt(Failure(TOTAL_TIMEOUT, "the route's total timeout is over"))
            return
        due = self._phase_due(now)
        if due is not None and now >= due and self._timeout is not None:
            self.interrupt(Failure(self._timeout, f"after {self._limit:g} s"))
            return
        expected_due = self._expected_at
        if self._expected is not None and expected_due is not None and now >= expected_due:
            if self.since is not None:
                self.interrupt(self._expected)
                return
            expected_due = now + _LOOK_AGAIN_SECONDS
        rate_due = None
        if self._rate is not None:
            failure = self._rate.look(now)
            if failure is not None:
                self.interrupt(failure)
                return
            rate_due = self._rate.due
        upcoming = [at for at in (due, self._total_at, expected_due, rate_due) if at is not None]
        if upcoming:
            self._arm(min(upcoming) - now)
        else:
            self._stop_timer()

    def _phase_due(self, now: float) -> float | None:
        if self._limit is None:
            return None
        # Not waiting at this moment: look again when a wait that begins now could be over.
        return (self.since if self.since is not None else now) + self._limit
