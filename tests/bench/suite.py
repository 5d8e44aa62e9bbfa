"""Measures the gateway and its peers: see README.md here.

python tests/bench/suite.py [--short] [--only SCENARIO,...] [--targets NAME,...] [--rounds N] [--hold N] [--json FILE]
"""

import argparse
import gc
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]

from bench import machine, result  # noqa: E402 - after the path is set
from bench.peers.known import OURS, PEERS  # noqa: E402
from bench.peers.peer import Peer, Programs  # noqa: E402
from bench.scenarios.known import SCENARIOS  # noqa: E402
from bench.scenarios.scenario import Extent, Row, Scenario  # noqa: E402
from bench.stage import Stage  # noqa: E402

from docs import benchmark_tables  # noqa: E402

_LOADS_OWN_FILES = 2000


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


def _allow_files(streams: int) -> str | None:
    """Raise the limit of open files, which targets inherit; return what is wrong where it cannot be raised enough."""
    files = 2 * streams + _LOADS_OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(files, hard)))
        except (OSError, ValueError):
            return f"{streams} streams need {files} open files, {hard} are allowed (ulimit -n)"
    return None


def _chosen(given: str | None, known: list[str], what: str) -> list[str]:
    names = known if given is None else given.split(",")
    if strange := [name for name in names if name not in known]:
        raise SystemExit(f"no {what} {', '.join(strange)}; there are: {', '.join(known)}")
    return [name for name in known if name in names]


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="one round of small amounts, in less than three minutes")
    parser.add_argument("--only", metavar="SCENARIO,...", help=", ".join(each.name for each in SCENARIOS))
    parser.add_argument("--targets", metavar="NAME,...", help=", ".join(each.name for each in PEERS))
    parser.add_argument("--rounds", type=int, help="3 if not given")
    parser.add_argument("--hold", type=int, help="streams to hold open: 1,000 if not given, 300 with --short")
    parser.add_argument("--environment", type=Path, default=_ROOT / "build/bench-env", help="where peers are installed")
    parser.add_argument("--json", type=Path, default=_ROOT / "build/bench.json", help="where the result goes")
    return parser.parse_args()


def main() -> None:
    """Measure, print the tables, write the result."""
    asked = _asked()
    extent = Extent(asked.short, asked.hold or (300 if asked.short else 1000))
    if (wrong := _allow_files(extent.hold)) is not None:
        raise SystemExit(wrong)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # Each start would compile everything anew.
    scenarios = _chosen(asked.only, [each.name for each in SCENARIOS], "scenario")
    peers = _chosen(asked.targets, [each.name for each in PEERS], "target")
    programs = Programs(asked.environment)
    started = time.monotonic()
    run = Run(
        [each for each in SCENARIOS if each.name in scenarios], [each for each in PEERS if each.name in peers], programs
    )
    if not run.peers:
        raise SystemExit(f"none of these targets is installed: {run.left_out}")
    rounds = asked.rounds or (1 if asked.short else 3)
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, Stage(programs, Path(directory), extent) as stage:
        for _ in range(rounds):
            run.round(stage)
    about: dict[str, object] = {
        "date": datetime.now(UTC).date().isoformat(),
        "mode": "short" if asked.short else "full",
        "rounds": rounds,
        "hold": extent.hold,
        "seconds": round(time.monotonic() - started),
    }
    found = run.result(about)
    result.write(found, asked.json)
    sys.stdout.write(f"{benchmark_tables.text(found)}\n\n{benchmark_tables.told(found)}\nwritten to {asked.json}\n")


if __name__ == "__main__":
    main()
