"""Clients that leave."""

from bench.load.leaving import storm
from bench.scenarios.scenario import Measure, Row, Scenario, Stand


class AbortStorm(Scenario):
    """What a client costs that leaves, and whether the upstream learns of it."""

    name = "abort-storm"
    about = (
        "Clients, fifty at once, that leave within 0.3 s; the head comes after 0.15 s, then an event a second."
        " Until the upstream has no stream left, ten seconds at most."
    )
    measures = (
        Measure("abort_cpu_us", "CPU of a client that leaves", "µs", cpu=True),
        Measure("abort_released_ms", "until the upstream is free", "ms"),
        Measure("abort_leaked", "streams never freed", ""),
    )

    def measure(self, stand: Stand) -> Row:
        left = storm(stand.upstream, stand.target, stand.extent.count(1000, 250))
        return {"abort_cpu_us": left.cpu_us, "abort_released_ms": left.released_ms, "abort_leaked": left.leaked}
