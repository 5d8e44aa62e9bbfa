"""What a scenario is: something that is done to a target, and the figures that come of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from bench.load.target import Target


@dataclass(frozen=True)
class Measure:
    """One figure: a column of a table."""

    key: str
    label: str
    unit: str
    digits: int = 0
    cpu: bool = False
    """CPU for a unit of work, which changes little from run to run: compared with the recipe's over time."""
    over_direct: bool = False
    """Told as what comes on top of the upstream asked directly, in the same round."""
    more_is_better: bool = False


@dataclass(frozen=True)
class Extent:
    """How much is done: enough for figures that stand, or enough to see that all works."""

    short: bool = False
    hold: int = 1000
    """Streams that are held open."""
    part: float = 1.0
    """Of the short amounts, how much is done: less only to see that the scenarios work."""

    def of(self, full: float, short: float) -> float:
        """Return the one that fits, for times."""
        return short * self.part if self.short else full

    def count(self, full: int, short: int) -> int:
        """Return the one that fits, for numbers of things."""
        return max(2, int(short * self.part)) if self.short else full


@dataclass(frozen=True)
class Stand:
    """What a scenario works with."""

    upstream: Target
    """To be asked directly for what it has seen."""
    target: Target
    extent: Extent
    ready_ms: float
    """How long the target took from its start until it answered well."""


Row = dict[str, float]
"""What was found, by key of the measure."""


class Scenario(ABC):
    """One kind of load. A new one is a file here and a line in `bench.scenarios.known`."""

    name: str
    about: str
    """One sentence for the page: what is done."""
    measures: tuple[Measure, ...]
    fresh = False
    """Whether each target is started anew for it, so that nothing that was before counts."""

    @property
    def with_direct(self) -> bool:
        """Whether the upstream is asked directly, too."""
        return any(measure.over_direct for measure in self.measures)

    def streams(self, extent: Extent) -> int:
        """Return how many connections may be open at once."""
        return 300

    @abstractmethod
    def measure(self, stand: Stand) -> Row:
        """Do it once. Raises OSError or AssertionError, with a reason in words, where the target does not bear it."""
