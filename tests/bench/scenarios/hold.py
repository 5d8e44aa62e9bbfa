"""Streams that are open and mostly silent."""

from bench.load.holding import hold
from bench.scenarios.scenario import Extent, Measure, Row, Scenario, Stand


class Hold(Scenario):
    """What an open stream takes."""

    name = "hold"
    about = (
        "Streams opened one after the other and held, of which each then hears eleven events."
        " What the kernel keeps for sockets is not in the memory."
    )
    measures = (
        Measure("hold_each_kib", "memory of an open stream", "KiB", 1),
        Measure("hold_last_first_byte_ms", "first event of the last stream", "ms", 1),
        Measure("hold_event_us", "CPU of an event to all", "µs", 1, cpu=True),
        Measure("hold_idle_mib", "memory when idle", "MiB"),
        Measure("hold_ready_ms", "start until it answers", "ms"),
    )
    fresh = True

    def streams(self, extent: Extent) -> int:
        return extent.hold + 25  # those it warms up with, and one that asks

    def measure(self, stand: Stand) -> Row:
        held = hold(stand.upstream, stand.target, stand.extent.hold)
        return {
            "hold_each_kib": held.each_kib,
            "hold_last_first_byte_ms": held.last_first_byte_ms,
            "hold_event_us": held.event_us,
            "hold_idle_mib": held.idle_kib / 1024,
            "hold_ready_ms": stand.ready_ms,
        }
