"""What callers may take over time, what is asked for one exchange, and what the answer was. Pure values.

Amounts are requests, octets, seconds or tokens, as the rule says; times are seconds.
"""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests that may come at once (``burst``), and how fast that comes back: ``count`` in ``seconds``."""

    called: str
    """How clients are told of it."""
    count: int
    seconds: float
    burst: int
    by: str
    """Whose requests count together: ``principal``, ``address``, ``route``, or ``header:`` and a lower-case name."""
    name: str | None = None
    """Rules of one name count together, on whatever route they are; None where it is its route's own."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be used up in each window of so many seconds; windows begin at multiples of their length since 1970."""

    called: str
    amount: float
    seconds: float
    of: str
    """``bytes``, ``stream_time`` or ``tokens``."""
    by: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas of one route."""

    rates: tuple[Rate, ...] = ()
    budgets: tuple[Budget, ...] = ()
    max_streams: int | None = None
    """Exchanges that one principal may have under way at once; None for any number."""


@dataclass(frozen=True, slots=True)
class SharedStore:
    """The Redis in which several workers, and machines, count together. Times are seconds."""

    redis: str = field(repr=False)
    """Its URL, which may hold a password."""
    fail_open: bool = True
    """Whether each worker counts for itself while it is gone; else requests that need it are refused."""
    timeout_seconds: float = 0.1
    max_connections: int = 32
    prefix: str = "slowgate:"


@dataclass(frozen=True, slots=True)
class Ask:
    """What one exchange needs: each rule with the key it is counted under. All of it is granted, or nothing."""

    rates: tuple[tuple[Rate, str], ...] = ()
    budgets: tuple[tuple[Budget, str], ...] = ()
    streams: tuple[int, str, str] | None = None
    """The limit, the key, and the id of the lease to take."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one rule stands for one caller."""

    left: float
    """What may still be taken, this exchange not counted."""
    whole_in_seconds: float
    """When everything may be taken again."""
    wait_seconds: float = 0.0
    """More than zero where it refuses: when to come again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an `Ask`; its standings are in the same order."""

    granted: bool
    rates: tuple[Standing, ...] = ()
    budgets: tuple[Standing, ...] = ()
    running: int = 0
    """Leases that are held under the key of the streams, this one not counted."""


class Counts(Protocol):
    """Where it is counted."""

    def take(self, ask: Ask) -> Answer | None:
        """Take all of ``ask``, or nothing of it where one rule refuses; None where nobody can say."""

    def give_back(self, key: str, lease: str) -> None:
        """The exchange with this lease has ended. What was never held, or is given back already, changes nothing."""

    def charge(self, budget: Budget, key: str, amount: float) -> None:
        """So much was used."""
