"""What is made of values: medians, ratios, tables, the chart, a comparison; and what a run does with failures."""

import copy
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from bench import compare, result
from bench.load import accounting
from bench.load.target import Target
from bench.peers.known import OURS, YARDSTICK
from bench.peers.peer import Peer, Place, Programs
from bench.run import Run
from bench.scenarios.known import SCENARIOS
from bench.scenarios.scenario import Measure, Row, Scenario, Stand
from support import processes
from support.conditions import wait_until

from docs import benchmark_chart, benchmark_page, benchmark_tables

ROOT = Path(__file__).resolve().parents[2]
COST = Measure("small_cpu_us", "CPU of a small GET", "µs", cpu=True)
WAIT = Measure("quiet_p50_us", "quiet GET added", "µs", over_direct=True)


def a_result(ours: list[float] | None = None, yardstick: float = 1000.0, **about: object) -> dict[str, Any]:
    """Return a result of some rounds with three targets, of which one costs a tenth and one is left out."""
    rounds: result.Rounds = [
        {
            COST.key: {OURS: value, YARDSTICK: yardstick, "nginx": 20.0},
            WAIT.key: {"direct": 30.0, OURS: 130.0, YARDSTICK: 530.0},
        }
        for value in ours or [200.0, 210.0, 190.0]
    ]
    medians = result.medians(rounds, [COST, WAIT])
    return {
        "about": {
            "date": "2026-11-20",
            "mode": "full",
            "rounds": len(rounds),
            "hold": 1000,
            "cores_busy_elsewhere": 0.25,
            **about,
        },
        "machine": {"cores": 2, "cpu": "Z80", "memory_gib": 1, "kernel": "Linux 6", "python": "3.11", "load_before": 0},
        "targets": {OURS: "1", YARDSTICK: "2", "nginx": "3"},
        "left_out": {"caddy": "no program caddy"},
        "failed": {"quiet": {"nginx": "timed out"}},
        "scenarios": {"small": "Small ones.", "quiet": "One by one."},
        "measures": {
            COST.key: {**asdict(COST), "scenario": "small"},
            WAIT.key: {**asdict(WAIT), "scenario": "quiet"},
        },
        "medians": medians,
        "ratios": result.ratios(medians, OURS),
        "rounds": rounds,
    }


def test_medians_are_those_of_rounds_and_added_ones_of_differences() -> None:
    """The direct value of the same round is taken off; the direct one itself is told as it is."""
    rounds = [
        {COST.key: {"a": 5.0}, WAIT.key: {"direct": 10.0, "a": 30.0}},
        {COST.key: {"a": 1.0}, WAIT.key: {"direct": 50.0, "a": 60.0}},
        {COST.key: {"a": 3.0, "b": 7.0}, WAIT.key: {"direct": 20.0, "a": 35.0}},
    ]
    assert result.medians(rounds, [COST, WAIT]) == {
        COST.key: {"a": 3.0, "b": 7.0},
        WAIT.key: {"direct": 20.0, "a": 15.0},
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({OURS: 200.0, "x": 100.0, "direct": 1.0}, {"x": 0.5}),
        ({OURS: 200.0, "x": -3.0}, {}),
        ({OURS: 0.0, "x": 3.0}, None),
        ({"x": 3.0}, None),
    ],
)
def test_ratio_is_to_ours_where_both_are_above_zero(
    values: dict[str, float], expected: dict[str, float] | None
) -> None:
    """A difference that noise made negative has no ratio; neither has anything where ours is missing."""
    assert result.ratios({"m": values}, OURS) == ({} if expected is None else {"m": expected})


def test_result_comes_back_from_its_file_and_other_files_are_refused(tmp_path: Path) -> None:
    """What was written is read as it was; anything else is named."""
    file = tmp_path / "deep/result.json"
    result.write(a_result(), file)
    assert result.read(file) == a_result()
    for text in ("{}", "[]", "{", ""):
        file.write_text(text)
        with pytest.raises(ValueError, match="is not a result of the benchmark suite"):
            result.read(file)


def test_tables_show_values_ratios_gaps_and_why() -> None:
    """A reader sees who failed, who is not there, and who took no part."""
    text = benchmark_tables.text(a_result())
    assert "| **slowgate** | 200 | 100 |" in text
    assert "| recipe | 1,000 (5.00\u00d7) | 500 (5.00\u00d7) |" in text
    assert "| nginx | 20 (0.10\u00d7) | *fails* |" in text
    assert "| direct | \u2013 | 30 (itself) |" in text
    assert "left out: caddy (no program caddy)." in text
    assert "nginx in quiet (timed out)" in text
    assert "2 cores (Z80)" in benchmark_tables.told(a_result())
    assert "0.2 cores busy with other work" in benchmark_tables.told(a_result())


def test_every_scenario_stands_in_a_table() -> None:
    """No figure is measured and then not shown, and nothing is drawn that is not measured."""
    shown = [name for names in benchmark_tables.GROUPS.values() for name in names]
    assert sorted(shown) == sorted(scenario.name for scenario in SCENARIOS)
    assert set(benchmark_chart.PANELS) <= result.columns(SCENARIOS).keys()
    assert benchmark_tables.OURS == benchmark_chart.OURS == OURS


def test_chart_draws_less_to_the_left_and_more_to_the_right() -> None:
    """The chart is well-formed, has a bar for each ratio and a dot for ours, and bars begin at ours."""
    root = ElementTree.fromstring(benchmark_chart.svg(a_result()))  # noqa: S314 - made here
    space = "{http://www.w3.org/2000/svg}"
    bars = [each for each in root.iter(f"{space}rect") if each.get("class") in ("less", "more")]
    dots = list(root.iter(f"{space}circle"))
    assert [bar.get("class") for bar in bars] == ["less", "more", "more"]
    assert len(dots) == 2
    less, more, _ = bars
    base = float(dots[0].get("cx", 0))
    assert float(less.get("x", 0)) + float(less.get("width", 0)) == pytest.approx(base)
    assert float(more.get("x", 0)) == pytest.approx(base)
    assert float(less.get("width", 0)) > float(more.get("width", 0))  # a tenth is farther than five times
    assert "prefers-color-scheme: dark" in "".join(root.itertext())


def test_names_in_the_chart_are_escaped() -> None:
    """What stands in a result cannot break the drawing."""
    odd = a_result()
    odd["measures"][COST.key]["label"] = "a < b & c"
    ElementTree.fromstring(benchmark_chart.svg(odd))  # noqa: S314 - made here


def test_page_keeps_what_people_wrote_around_the_figures() -> None:
    """Only what stands between the markers is made anew; a page without them is an error."""
    text = f"mine\n{benchmark_page.BEGIN}\nstale\n{benchmark_page.END}\nalso mine\n"
    many = a_result(hold=9900)
    many["measures"][COST.key]["scenario"] = "hold"
    made = benchmark_page.page(text, a_result(), many)
    assert made.startswith(f"mine\n{benchmark_page.BEGIN}\n")
    assert made.endswith(f"{benchmark_page.END}\nalso mine\n")
    assert "stale" not in made
    assert "\n### 9,900 open streams\n" in made
    assert benchmark_page.page(made, a_result(), many) == made
    for broken in ("nothing", benchmark_page.BEGIN, text + text):
        with pytest.raises(ValueError, match="not one place"):
            benchmark_page.page(broken, a_result(), many)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([0.20, 0.21, 0.22], [0.26, 0.27, 0.28], "WORSE (+29%)"),
        ([0.20, 0.21, 0.22], [0.16, 0.17, 0.18], "better (-19%)"),
        ([0.20, 0.21, 0.22], [0.215, 0.222, 0.23], "as before (+6%)"),
        ([0.20, 0.21, 0.30], [0.26, 0.27, 0.28], "as before (+29%)"),
    ],
)
def test_change_is_told_where_it_is_large_and_rounds_do_not_overlap(
    old: list[float], new: list[float], expected: str
) -> None:
    """What the machine does by itself is not called a change."""
    assert compare.verdict(old, new) == expected


def test_slower_machine_is_no_change() -> None:
    """The recipe of the same run is what ours is measured by, so that a machine half as fast changes nothing."""
    told = compare.comparison(a_result(), a_result([400.0, 420.0, 380.0], yardstick=2000.0))
    assert "CPU of a small GET" in told
    assert "as before (+0%)" in told
    assert "quiet" not in told  # times of waiting are not compared
    assert "but" not in told


def test_comparison_says_what_makes_it_less_sure() -> None:
    """Other modes, machines and versions, and too few rounds, are named."""
    new = a_result([300.0], mode="short")
    new["machine"]["cpu"] = "6502"
    new["targets"][YARDSTICK] = "9"
    told = compare.comparison(a_result(), new)
    assert "WORSE (+50%)" in told
    for word in ("mode: full then, short now", "cpu: Z80 then, 6502 now", "recipe: 2 then, 9 now", "rounds: 1 now"):
        assert word in told
    lonely = copy.deepcopy(new)
    lonely["rounds"] = []
    assert "nothing that both have" in compare.comparison(a_result(), lonely)


def test_comparison_never_fails(tmp_path: Path) -> None:
    """It says, with status 0: also where there is nothing to compare."""
    result.write(a_result(), tmp_path / "old.json")
    for new in ("old.json", "missing.json"):
        command = [sys.executable, "tests/bench/compare.py", str(tmp_path / "old.json"), str(tmp_path / new)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert ("as before" if new == "old.json" else "nothing to compare") in done.stdout


class _Odd(Peer):
    """A peer that is only a name."""

    def __init__(self, name: str, missing: str | None = None) -> None:
        self.name, self._missing = name, missing

    def missing(self, programs: Programs) -> str | None:
        return self._missing

    def version(self, programs: Programs) -> str:
        return "1"

    def start(self, programs: Programs, place: Place) -> AbstractContextManager[Target]:
        raise NotImplementedError


class _Scripted(Scenario):
    """One measure, of which the stage below knows the values."""

    name, about, measures = "small", "Scripted.", (COST,)

    def measure(self, stand: Stand) -> Row:
        raise NotImplementedError


class _Stage:
    """Notes who was measured, in which order; one of them always fails."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def measure(self, scenario: Scenario, peer: Peer) -> Row:
        self.order.append(peer.name)
        if peer.name == "bad":
            raise ConnectionError("it fell over\nin two lines")
        return {COST.key: 100.0 if peer.name == OURS else 50.0}


def test_run_goes_on_after_a_failure_and_says_so() -> None:
    """Who is not installed is not asked, who fails is told with the reason, and who goes first changes by turns."""
    stage, peers = _Stage(), [_Odd(OURS), _Odd("bad"), _Odd("quick"), _Odd("absent", "no program absent")]
    run = Run([_Scripted()], list(peers), Programs(None))
    for _ in range(2):
        run.round(stage)  # type: ignore[arg-type]
    found = run.result({"rounds": 2})
    assert stage.order == [OURS, "bad", "quick", "bad", "quick", OURS]
    assert found["left_out"] == {"absent": "no program absent"}
    assert found["failed"] == {"small": {"bad": "it fell over"}}
    assert found["ratios"] == {COST.key: {"quick": 0.5}}


@pytest.mark.wire
def test_suite_measures_prints_and_writes(tmp_path: Path) -> None:
    """The command does what `make bench` needs of it, from the first process to the file."""
    file = tmp_path / "result.json"
    options = ["--short", "--only", "quiet", "--targets", f"{OURS},{YARDSTICK}", "--json", str(file)]
    command = [sys.executable, "tests/bench/suite.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "### Small requests" in done.stdout
    found = json.loads(file.read_text())
    assert found["failed"] == {}
    assert set(found["medians"]["quiet_p50_us"]) == {"direct", OURS, YARDSTICK}
    assert found["about"]["mode"] == "short"


@pytest.mark.parametrize("wrong", ["--only=nothing", "--targets=nobody"])
def test_suite_names_what_there_is_where_a_name_is_unknown(wrong: str) -> None:
    """A typing error measures nothing, instead of everything else."""
    done = subprocess.run([sys.executable, "tests/bench/suite.py", wrong], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "there are: s" in done.stderr


@pytest.mark.wire
def test_suite_that_is_told_to_end_leaves_nothing_running(tmp_path: Path) -> None:
    """Targets end with the suite, also where somebody stops it in the middle."""
    options = ["--short", "--only", "small", "--targets", OURS, "--json", str(tmp_path / "result.json")]
    with subprocess.Popen(
        [sys.executable, "tests/bench/suite.py", *options], cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True
    ) as suite:
        wait_until(lambda: len(processes.children(suite.pid)) == 2, 15, "the upstream and the gateway")
        started = accounting.tree(suite.pid)[1:]
        suite.terminate()
        assert suite.wait(20) == 1
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), 10, "the end of what it started")


def test_recorded_result_is_one_that_can_be_drawn() -> None:
    """The committed results have the gateway and its yardstick in them."""
    for file, compared in ((benchmark_page.RESULTS, 5), (benchmark_page.MANY, 1)):
        recorded = result.read(file)
        assert {OURS, YARDSTICK} <= recorded["targets"].keys()
        assert compare.comparison(recorded, recorded).count("as before") >= compared
