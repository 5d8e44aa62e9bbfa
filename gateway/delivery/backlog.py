"""What waits to be brought away: bounded, and at the bound the oldest goes, and is counted. No I/O."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Backlog(Generic[T]):
    """A queue whose end is never full. What was taken out to be brought counts until it is there or given back."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._waiting: deque[T] = deque()
        self._taken: list[T] = []
        self.dropped = 0
        """How many were lost at the bound."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    def put(self, item: T) -> None:
        """Append an item; at the bound the oldest that is not being brought is dropped for it."""
        self._waiting.append(item)
        if len(self) > self._bound and len(self._waiting) > 1:
            self._waiting.popleft()
            self.dropped += 1

    def take(self, most: int) -> list[T]:
        """Return up to ``most`` items, the oldest first, to be brought; `brought` or `give_back` must follow."""
        assert not self._taken, "one batch at a time"
        self._taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        return self._taken

    def brought(self) -> None:
        """Forget what was taken."""
        self._taken = []

    def give_back(self) -> None:
        """Put what was taken back to where it was; what has no place any more is dropped, the oldest first."""
        self._waiting.extendleft(reversed(self._taken))
        self._taken = []
        while len(self._waiting) > self._bound:
            self._waiting.popleft()
            self.dropped += 1
