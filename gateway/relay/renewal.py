"""One fetch for all who wait for the same token, made again before it ends while the old one is still used."""

from collections.abc import Callable

import gevent
from gevent.event import Event

from gateway.exchange.failure import CREDENTIALS_UNAVAILABLE, Failure, FailureError
from gateway.exchange.lasting import Lasting
from gateway.relay.within import within

Fetch = Callable[[], tuple[str, float]]
"""Does the I/O; returns a value and how many seconds it holds; raises ``FailureError``."""


class Renewal:
    """Holds one value in memory. A fetch runs beside the exchanges: one that leaves takes nothing from the others."""

    def __init__(
        self, fetch: Fetch, timeout_seconds: float, clock: Callable[[], float], report: Callable[[str], None]
    ) -> None:
        """``report`` is told of fetches that failed, without any secret."""
        self._fetch = fetch
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._report = report
        self._held = Lasting()
        self._fetched: Event | None = None

    def __repr__(self) -> str:
        return f"<Renewal {self._held}>"

    def get(self) -> str:
        """Return the value, after at most one fetch. Raises ``FailureError`` (CREDENTIALS_UNAVAILABLE)."""
        now = self._clock()
        value = self._held.usable(now)
        due = self._fetched is None and self._held.due(now)
        if due:
            self._begin()
        if value is None and self._fetched is not None:
            self._fetched.wait()
            value = self._held.usable(self._clock())
        if value is None:
            raise FailureError(Failure(CREDENTIALS_UNAVAILABLE, self._held.why))
        return value

    def reject(self, value: str) -> bool:
        """Drop ``value``, which the upstream did not accept; say whether another try would be made with another."""
        return self._held.reject(value, self._clock())

    def _begin(self) -> None:
        self._fetched = Event()
        gevent.spawn(self._run, self._fetched)

    def _run(self, fetched: Event) -> None:
        began = self._clock()
        why = ""
        try:
            with within(self._timeout_seconds):
                value, lifetime_seconds = self._fetch()
            self._held.take(value, lifetime_seconds, began)
        except TimeoutError:
            why = f"no token within {self._timeout_seconds:g} s"
        except FailureError as error:
            why = str(error.failure)
        except Exception as error:
            why = f"the fetch of a token met a defect: {type(error).__name__}"
        finally:
            self._fetched = None
            if why:
                self._held.fail(why, self._clock())
            fetched.set()
        if why:
            self._report(why)
