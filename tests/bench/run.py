"""One run: scenarios by targets by rounds, and what came of it."""

import gc
import sys

from bench import machine, result
from bench.peers.known import OURS
from bench.peers.peer import Peer, Programs
from bench.scenarios.scenario import Row, Scenario
from bench.stage import Stage


class Run:
    """One run: which peers take part, and what was found so far."""

    def __init__(self, scenarios: list[Scenario], peers: list[Peer], programs: Programs) -> None:
        self.scenarios = scenarios
        self.left_out = {peer.name: why for peer in peers if (why := peer.missing(programs)) is not None}
        self.peers = [peer for peer in peers if peer.name not in self.left_out]
        self.versions = {peer.name: peer.version(programs) for peer in self.peers}
        self.failed: dict[str, dict[str, str]] = {}
        self.rounds: result.Rounds = []
        self.machine = machine.facts()

    def round(self, stage: Stage) -> None:
        """Go through all scenarios, and within each through all targets, of which another one is first each time."""
        turn = len(self.rounds) % len(self.peers)
        found: dict[str, dict[str, float]] = {}
        self.rounds.append(found)
        for scenario in self.scenarios:
            _say(f"round {len(self.rounds)}, {scenario.name}:")
            if scenario.with_direct:
                _note(found, result.DIRECT, stage.measure_direct(scenario))
            for peer in self.peers[turn:] + self.peers[:turn]:
                if peer.scenarios is None or scenario.name in peer.scenarios:
                    self._one(stage, scenario, peer, found)
            _say("\n")

    def _one(self, stage: Stage, scenario: Scenario, peer: Peer, found: dict[str, dict[str, float]]) -> None:
        _say(f" {peer.name}")
        gc.collect()
        gc.disable()  # A pause of the client's would be booked as the target's.
        try:
            _note(found, peer.name, stage.measure(scenario, peer))
        except (OSError, AssertionError) as error:
            why = (str(error) or type(error).__name__).splitlines()[0][:200]
            self.failed.setdefault(scenario.name, {})[peer.name] = why
            _say(f" (failed: {why})")
        finally:
            gc.enable()

    def result(self, about: dict[str, object]) -> result.Result:
        """Return what was found, ready to be written."""
        measures = [measure for scenario in self.scenarios for measure in scenario.measures]
        medians = result.medians(self.rounds, measures)
        return {
            "about": about,
            "machine": self.machine,
            "targets": self.versions,
            "left_out": self.left_out,
            "failed": self.failed,
            "scenarios": {scenario.name: scenario.about for scenario in self.scenarios},
            "measures": result.columns(self.scenarios),
            "medians": medians,
            "ratios": result.ratios(medians, OURS),
            "rounds": self.rounds,
        }


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _note(found: dict[str, dict[str, float]], target: str, row: Row) -> None:
    for key, value in row.items():
        found.setdefault(key, {})[target] = round(value, 4)
