"""Work that many wait for and one does: it goes on by itself, whoever of those who asked for it leaves."""

import logging
from collections.abc import Callable, Hashable

import gevent

_log = logging.getLogger("gateway")


class Flights:
    """What is under way, by key: never twice the same at once."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, gevent.Greenlet[..., None]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def begin(self, key: Hashable, work: Callable[[], None]) -> None:
        """See to it that the work ``key`` is under way, and do not wait for it. ``work`` has a deadline of its own."""
        if key not in self._under_way:
            self._under_way[key] = gevent.spawn(self._do, key, work)

    def wait(self, key: Hashable) -> None:
        """Return when the work ``key`` is not under way any more."""
        flight = self._under_way.get(key)
        if flight is not None:
            flight.join()

    def _do(self, key: Hashable, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            _log.error("work for several exchanges met a defect", exc_info=error)  # They find out that it is not done.
        finally:
            del self._under_way[key]
