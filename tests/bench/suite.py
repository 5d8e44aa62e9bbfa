"""Measures the gateway and its peers: see README.md here.

python tests/bench/suite.py [--short] [--only SCENARIO,...] [--targets NAME,...] [--rounds N] [--hold N] [--json FILE]
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]

from bench import machine, result  # noqa: E402 - after the path is set
from bench.peers.known import PEERS  # noqa: E402
from bench.peers.peer import Programs  # noqa: E402
from bench.run import Run  # noqa: E402
from bench.scenarios.known import SCENARIOS  # noqa: E402
from bench.scenarios.scenario import Extent  # noqa: E402
from bench.stage import Stage  # noqa: E402

from docs import benchmark_tables  # noqa: E402

_OTHER_FILES = 150


def _allow_files(streams: int) -> str | None:
    """Raise the limit of open files, which targets inherit; return what is wrong where it cannot be raised enough."""
    files = 2 * streams + _OTHER_FILES
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))  # What was started ends with this.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # Each start would compile everything anew.
    scenarios = _chosen(asked.only, [each.name for each in SCENARIOS], "scenario")
    peers = _chosen(asked.targets, [each.name for each in PEERS], "target")
    programs = Programs(asked.environment)
    started, elsewhere = time.monotonic(), machine.Elsewhere()
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
        "cores_busy_elsewhere": elsewhere.cores(),
    }
    found = run.result(about)
    result.write(found, asked.json)
    sys.stdout.write(f"{benchmark_tables.text(found)}\n\n{benchmark_tables.told(found)}\nwritten to {asked.json}\n")


if __name__ == "__main__":
    main()
