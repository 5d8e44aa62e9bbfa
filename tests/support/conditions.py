"""Waiting for what must come true, with a deadline: never a sleep for luck."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_STEP_SECONDS = 0.01


def wait_until(condition: Callable[[], T], timeout: float = 5.0, what: str = "the condition") -> T:
    """Return the first true value of ``condition``; raise AssertionError naming ``what`` after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}; last seen: {value!r}")
        time.sleep(_STEP_SECONDS)
