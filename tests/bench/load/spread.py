"""Two points of a distribution."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Median and 99th percentile, in microseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Spread":
        """Return them for times in seconds, of which there are at least two."""
        percentiles = statistics.quantiles(seconds, n=100, method="inclusive")
        return cls(percentiles[49] * 1e6, percentiles[98] * 1e6)
