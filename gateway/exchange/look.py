"""What was seen of a running exchange when somebody looked: two looks give a rate, so that no chunk has to. Pure."""

from dataclasses import dataclass

_LEAST_SECONDS = 1.0
"""Looks that follow each other sooner are one look, or two watchers would spoil each other's rates."""
_MOST_SECONDS = 30.0
"""A look longer ago says nothing about the rate of now."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look. Times are seconds on the exchange's clock."""

    at: float
    octets: int
    """Body octets that had gone downstream."""
    quiet_since: float
    """Since when they are the same, as far as anybody looked."""
    rate: float | None = None
    """Octets per second between this look and the one before; None where there was none of late."""


def looked(before: Look | None, octets: int, now: float) -> Look:
    """Return the look of ``now``, with a rate where the look ``before`` was neither just now nor too long ago."""
    if before is None:
        return Look(now, octets, now)
    quiet_since = before.quiet_since if octets == before.octets else now
    seconds = now - before.at
    if seconds < _LEAST_SECONDS:
        return before
    if seconds > _MOST_SECONDS:
        return Look(now, octets, quiet_since)
    return Look(now, octets, quiet_since, (octets - before.octets) / seconds)
