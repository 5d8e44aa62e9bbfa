"""Waiting for what must come true, with a deadline: never a sleep for luck."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_STEP_SECONDS = 0.01
_LONGEST_SECONDS = 30.0
"""So that what waits in vain says so itself, before the test's own end."""
_LOAD = Path("/proc/loadavg")


def patience(seconds: float) -> float:
    """Return how long to wait for what takes at most ``seconds`` where nothing else runs.

    On a machine with more to do than it has processors for, whoever is waited for gets only a part of one. A limit
    that is a promise of ours is as near as it was promised where there is nothing of that kind.
    """
    return max(seconds, min(seconds * (1.0 + _waiting_for_a_processor()), _LONGEST_SECONDS))


def _waiting_for_a_processor() -> float:
    """Return how many there are for each processor that could use it: now, or in the last minute if that is more."""
    try:
        average, _, _, now, _ = _LOAD.read_text().split()
        running = float(now.partition("/")[0]) - 1  # The other one is who asks.
    except (OSError, ValueError):
        average, running = os.getloadavg()[0], 0.0
    return max(float(average), running) / (os.cpu_count() or 1)


def wait_until(condition: Callable[[], T], timeout: float = 5.0, what: str = "the condition") -> T:
    """Return the first true value of ``condition``; raise AssertionError naming ``what`` after ``timeout`` seconds.

    They are stretched where the machine is busy: see `patience`.
    """
    began = time.monotonic()
    while True:
        late = time.monotonic() >= began + timeout
        value = condition()
        if value:
            return value
        if late and time.monotonic() >= began + patience(timeout):
            raise AssertionError(f"waited {timeout:g} s in vain for {what}; last seen: {value!r}")
        time.sleep(_STEP_SECONDS)


def stays(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether ``condition`` holds for ``seconds``."""
    until = time.monotonic() + seconds
    while condition():
        if time.monotonic() > until:
            return True
        time.sleep(_STEP_SECONDS)
    return False


def settled(count: Callable[[], int], seconds: float = 0.3) -> int:
    """Return a number that has stayed the same for ``seconds``: what tests before left behind may be going yet."""
    while True:
        number = count()
        if stays(lambda number=number: count() == number, seconds):  # type: ignore[misc]
            return number
