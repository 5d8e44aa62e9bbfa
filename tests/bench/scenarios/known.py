"""All scenarios, in the order in which they are run and told."""

from bench.scenarios.abort_storm import AbortStorm
from bench.scenarios.bodies import BODIES
from bench.scenarios.hold import Hold
from bench.scenarios.quiet import Quiet
from bench.scenarios.scenario import Scenario
from bench.scenarios.small import Small
from bench.scenarios.sse import FastStreams, PacedStreams

SCENARIOS: tuple[Scenario, ...] = (Small(), Quiet(), PacedStreams(), FastStreams(), *BODIES, Hold(), AbortStorm())
