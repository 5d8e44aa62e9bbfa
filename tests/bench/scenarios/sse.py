"""Event streams: many slow ones, and a few fast ones."""

from bench.load.listeners import Heard, listen
from bench.load.placing import apart
from bench.scenarios.scenario import Measure, Row, Scenario, Stand


class PacedStreams(Scenario):
    """What this gateway is made for."""

    name = "sse"
    about = "200 event streams, ten events a second in each, evenly out of step; from being sent to being read."
    measures = (
        Measure("sse_cpu_us", "CPU of an event, 200 paced streams", "µs", 1, cpu=True),
        Measure("sse_p50_us", "event added, p50", "µs", over_direct=True),
        Measure("sse_p99_us", "event added, p99", "µs", over_direct=True),
    )

    def measure(self, stand: Stand) -> Row:
        heard = _heard(stand, 200, 100_000, stand.extent.of(4.0, 1.2))
        return {"sse_cpu_us": heard.cpu_us, "sse_p50_us": heard.delay.p50, "sse_p99_us": heard.delay.p99}


class FastStreams(Scenario):
    """A few streams in a hurry."""

    name = "sse-fast"
    about = "8 event streams with a thousand events a second in each, evenly out of step: never two events at once."
    measures = (Measure("sse_fast_cpu_us", "CPU of an event, 8 streams at 1 kHz", "µs", 1, cpu=True),)

    def measure(self, stand: Stand) -> Row:
        return {"sse_fast_cpu_us": _heard(stand, 8, 1000, stand.extent.of(3.0, 0.8)).cpu_us}


def _heard(stand: Stand, streams: int, pace_us: int, seconds: float) -> Heard:
    """Listen so that it is not luck what a target pays for waking others."""
    with apart(stand.target, stand.upstream):
        return listen(stand.target, streams, pace_us, seconds, awake=True)
