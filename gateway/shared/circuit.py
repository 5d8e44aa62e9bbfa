"""Leaves a store that does not answer alone, so that a dead one slows nobody down. Pure; ``now`` is given."""

FAILURES_TO_OPEN = 3
OPEN_SECONDS = 1.0


class Circuit:
    """Open after `FAILURES_TO_OPEN` failures in a row; then one question each `OPEN_SECONDS` tries it out."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0

    @property
    def open(self) -> bool:
        """Whether the store is taken to be gone."""
        return self._failures >= FAILURES_TO_OPEN

    def admits(self, now: float) -> bool:
        """Say whether to ask at all."""
        if not self.open:
            return True
        if now < self._until:
            return False
        self._until = now + OPEN_SECONDS  # This one tries it out; the others do not wait for it.
        return True

    def succeeded(self) -> bool:
        """It answered; say whether it had been gone."""
        was_open, self._failures = self.open, 0
        return was_open

    def failed(self, now: float) -> bool:
        """It did not answer; say whether it is gone from this moment on."""
        was_open = self.open
        self._failures = min(self._failures + 1, FAILURES_TO_OPEN)
        if self.open:
            self._until = now + OPEN_SECONDS
        return self.open and not was_open
