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


def within(seconds: float, ask: Callable[[], bytes]) -> bytes:
    """Return what ``ask`` returns within ``seconds``; raise ValueError after them."""
    timeout = gevent.Timeout(seconds)  # No OSError, which the libraries on the way would take for one of their own.
    timeout.start()
    try:
        return ask()
    except gevent.Timeout as error:
        if error is not timeout:
            raise
        raise ValueError(f"no answer within {seconds:g} s") from None
    finally:
        timeout.close()
