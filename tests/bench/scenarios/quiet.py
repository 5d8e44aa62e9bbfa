"""Small requests one after the other."""

from bench.load.one_by_one import small_requests
from bench.scenarios.scenario import Measure, Row, Scenario, Stand


class Quiet(Scenario):
    """How long somebody waits who is alone."""

    name = "quiet"
    about = "GET of 1 KiB on one connection, one after the other; from sending to having it all."
    measures = (
        Measure("quiet_p50_us", "quiet GET added, p50", "µs", over_direct=True),
        Measure("quiet_p99_us", "quiet GET added, p99", "µs", over_direct=True),
    )

    def measure(self, stand: Stand) -> Row:
        spread, _ = small_requests(stand.target, stand.extent.count(1000, 300))
        return {"quiet_p50_us": spread.p50, "quiet_p99_us": spread.p99}
