"""The greenlets that ask endpoints whether they are well: one for each, at its own pace, until it is stopped."""

import logging
import random
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import gevent

from gateway.relay.within import within

_JITTER = 0.1
"""Of an interval, how much longer or shorter it may be: workers, and machines, must not fall into step."""

_log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Check:
    """What one greenlet does again and again."""

    interval_seconds: float
    timeout_seconds: float
    ask: Callable[[], str | None]
    """Does the I/O; returns what is wrong, or None."""
    tell: Callable[[str | None], None]
    """Takes what `ask` returned."""


class HealthChecks:
    """The checks that run in this worker, by keys that say what they are."""

    def __init__(self) -> None:
        self._running: dict[Hashable, gevent.Greenlet[..., None]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def adopt(self, wanted: Mapping[Hashable, Check]) -> None:
        """Run the checks ``wanted`` from now on. One whose key runs already goes on, undisturbed."""
        for key in self._running.keys() - wanted.keys():
            self._running.pop(key).kill(block=False)
        for key in wanted.keys() - self._running.keys():
            self._running[key] = gevent.spawn(_run, wanted[key])

    def stop(self) -> None:
        """End all of them."""
        self.adopt({})


def _run(check: Check) -> None:
    # Not all at once, and not all workers at once.
    gevent.sleep(random.uniform(0, check.interval_seconds))  # noqa: S311 - spread, not secret
    while True:
        why = once(check)
        try:
            check.tell(why)
        except Exception as error:
            _log.error("what a health check found was not taken", exc_info=error)  # As above: the next one may be.
        gevent.sleep(check.interval_seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - spread, not secret


def once(check: Check) -> str | None:
    """Return what is wrong at this moment, within the timeout of ``check``, or None."""
    try:
        with within(check.timeout_seconds):
            return check.ask()
    except TimeoutError as error:
        return str(error)
    except Exception as error:
        _log.error("a health check met a defect", exc_info=error)  # It goes on: the next one may not.
        return f"the check itself failed: {type(error).__name__}"
