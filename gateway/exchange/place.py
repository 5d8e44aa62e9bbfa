"""A place in a queue, as those see it who wait at it."""

from collections.abc import Callable
from typing import Protocol

from gateway.exchange.failure import Failure


class Place(Protocol):
    """It becomes a turn, or is lost to somebody else; either happens once."""

    @property
    def waiting(self) -> bool:
        """Whether neither has happened yet."""

    @property
    def lost(self) -> Failure | None:
        """Why it was lost, if it was."""

    def on_change(self, wake: Callable[[], object]) -> None:
        """Have ``wake`` called when one of both happens. It must not wait for anything itself."""

    def late(self, now: float) -> Failure:
        """Return the failure of an exchange that has waited for too long."""
