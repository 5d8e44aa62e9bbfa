"""Small requests side by side."""

from bench.load.side_by_side import closed_loop
from bench.scenarios.scenario import Measure, Row, Scenario, Stand

_CONNECTIONS = 32


class Small(Scenario):
    """What a request costs that is hardly anything else."""

    name = "small"
    about = "GET of 1 KiB on 32 kept connections, each of which asks again as soon as it was answered."
    measures = (
        Measure("small_cpu_us", "CPU of a small GET", "µs", cpu=True),
        Measure("small_per_second", "small GETs", "1/s", more_is_better=True),
    )

    def measure(self, stand: Stand) -> Row:
        warm_up, seconds = stand.extent.of(0.5, 0.2), stand.extent.of(2.5, 0.8)
        cpu_us, per_second = closed_loop(stand.target, _CONNECTIONS, warm_up, seconds)
        return {"small_cpu_us": cpu_us, "small_per_second": per_second}
