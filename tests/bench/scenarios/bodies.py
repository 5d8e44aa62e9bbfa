"""Large bodies down and up, with a length and chunked."""

from collections.abc import Callable

from bench.load import bodies
from bench.load.target import Target
from bench.scenarios.scenario import Measure, Row, Scenario, Stand

_FULL_MIB, _SHORT_MIB = 512, 96
_WARM_UP_MIB = 4

Move = Callable[..., tuple[float, float]]
"""Moves so many MiB through a target; returns CPU-seconds for a GiB, and MiB a second."""


class _LargeBody(Scenario):
    """One large body on one connection, after a small one."""

    key: str
    chunked: bool
    move: Move

    def __init__(
        self, name: str, about: str, label: str, move: Callable[..., tuple[float, float]], chunked: bool
    ) -> None:
        self.name, self.about = name, about
        self.key, self.move, self.chunked = name.replace("-", "_"), move, chunked
        self.measures = (
            Measure(f"{self.key}_cpu_s", f"CPU of a GiB {label}", "s", 2, cpu=True),
            Measure(f"{self.key}_mib_per_s", f"throughput {label}", "MiB/s", more_is_better=True),
        )

    def measure(self, stand: Stand) -> Row:
        self._move(stand.target, _WARM_UP_MIB)
        cpu_s, mib_per_s = self._move(stand.target, stand.extent.count(_FULL_MIB, _SHORT_MIB))
        return {f"{self.key}_cpu_s": cpu_s, f"{self.key}_mib_per_s": mib_per_s}

    def _move(self, target: Target, mib: int) -> tuple[float, float]:
        return self.move(target, mib, chunked=self.chunked)


BODIES = (
    _LargeBody("bulk", "A body of 512 MiB (short: 96) with a length, on one connection.", "down", bodies.down, False),
    _LargeBody("bulk-chunked", "The same in chunks of 64 KiB.", "down, chunked", bodies.down, True),
    _LargeBody("upload", "A request body of as many with a length.", "up", bodies.up, False),
    _LargeBody("upload-chunked", "The same in chunks of 64 KiB.", "up, chunked", bodies.up, True),
)
