"""Numbers as people read them in a table of the dashboard. Pure; None is a dash."""

import datetime
from collections.abc import Callable

from gateway.config import rounded

NOTHING = "\N{EN DASH}"


def _or_nothing(told: Callable[[float], str]) -> Callable[[float | None], str]:
    return lambda number: NOTHING if number is None else told(number)


duration = _or_nothing(rounded.duration)
milliseconds = _or_nothing(rounded.milliseconds)
octets = _or_nothing(rounded.octets)
count = _or_nothing("{:,.0f}".format)
"""Whole numbers with a comma between thousands."""


def clock(moment: float) -> str:
    """Return the time of day of ``moment``, seconds since 1970, in UTC."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%H:%M:%S")
