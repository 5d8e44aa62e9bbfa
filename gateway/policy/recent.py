"""The last few values of something measured, and what most of them were like. Bounded, without a clock."""

KEPT = 256
"""Values that are kept: enough for a steady p95, few enough to be sorted whenever somebody asks."""


class Recent:
    """A ring of the newest values."""

    __slots__ = ("_at", "_kept", "_values")

    def __init__(self, kept: int = KEPT) -> None:
        self._values: list[float] = []
        self._kept = kept
        self._at = 0

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: float) -> None:
        """Take ``value`` in the place of the oldest one."""
        if len(self._values) < self._kept:
            self._values.append(value)
        else:
            self._values[self._at] = value
            self._at = (self._at + 1) % self._kept

    def quantile(self, share: float) -> float | None:
        """Return the smallest value that at least ``share`` (0 to 1) of all are not above; None where there is none."""
        if not self._values:
            return None
        ordered = sorted(self._values)
        rank = -int(-share * len(ordered) // 1)  # Rounded up: the nearest rank.
        return ordered[min(max(rank, 1), len(ordered)) - 1]
