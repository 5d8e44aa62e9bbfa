"""Dashboard and rules ask for metrics that there are, and promtool finds them right."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.exchange.phase import PHASES
from gateway.observe.families import FAMILIES, Family
from gateway.policy.endpoints import STATES

ROOT = Path(__file__).resolve().parent.parent
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
RULES = ("rules.yml", "alerts.yml")

METRIC = re.compile(r"\b(slowgate_\w+)(?:\{([^}]*)\})?")
RECORDED = re.compile(r"\bslowgate:[\w:]+")
LABEL = re.compile(r"(\w+)\s*(?:=~|!=|=|!~)\s*\"([^\"]*)\"")
VALUES = {"phase": set(PHASES), "state": set(STATES)}


def samples() -> dict[str, set[str]]:
    """Return the name of every sample that can be on the page, with its labels."""
    made = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
    return {
        family.name + end: {*family.labels, *(["le"] if end == "_bucket" else [])}
        for family in FAMILIES
        for end in made[family.kind]
    }


def questions() -> Iterator[tuple[str, str]]:
    """Yield where and what: each expression of the dashboard, each variable of it, and the files of rules."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"${variable['name']}", variable["query"]["query"]
    for name in (*RULES, "rules_test.yml"):
        yield name, (PROMETHEUS / name).read_text()


@pytest.mark.parametrize(("where", "asked"), [pytest.param(*each, id=each[0]) for each in questions()])
def test_what_is_asked_for_exists(where: str, asked: str) -> None:
    """Each name is a sample's, each label one of its labels, each value of a phase or a state one that there is."""
    known, found = samples(), METRIC.findall(asked)
    for name, inside in found:
        assert name in known, f"{where} asks for {name}"
        for label, value in LABEL.findall(inside):
            assert label in known[name] | {"instance", "job"}, f"{where} asks {name} for {label}"
            if label in VALUES:
                assert set(value.split("|")) <= VALUES[label], f"{where} asks {name} for {label} {value}"
    assert found or where == "alerts.yml"


def test_what_rules_record_is_what_alerts_use() -> None:
    """No alert waits for a series that nobody makes."""
    recorded = set(re.findall(r"record: (\S+)", (PROMETHEUS / "rules.yml").read_text()))
    assert set(RECORDED.findall((PROMETHEUS / "alerts.yml").read_text())) <= recorded


def test_each_alert_is_tried_out() -> None:
    """With series for which it must fire."""
    alerts = set(re.findall(r"alert: (\w+)", (PROMETHEUS / "alerts.yml").read_text()))
    assert alerts == set(re.findall(r"alertname: (\w+)", (PROMETHEUS / "rules_test.yml").read_text()))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_dashboard_shows_every_metric(family: Family) -> None:
    """A new one that nobody looks at is a decision, not an oversight: put it on a panel."""
    shown = {
        name for panel in DASHBOARD["panels"] for each in targets(panel) for name, _ in METRIC.findall(each["expr"])
    }
    assert shown & {family.name, *(f"{family.name}_{end}" for end in ("total", "bucket", "count"))}


def test_the_dashboard_can_be_imported() -> None:
    """Its data source is chosen when it is imported, its panels have ids of their own and do not overlap."""
    panels = DASHBOARD["panels"]
    assert DASHBOARD["schemaVersion"] >= 36 and "id" not in DASHBOARD
    assert len({panel["id"] for panel in panels}) == len(panels)
    sources = [*(panel.get("datasource") for panel in panels), *(t["datasource"] for p in panels for t in targets(p))]
    assert {source["uid"] for source in sources if source is not None} == {"${datasource}"}
    places = [
        (panel["gridPos"]["x"] + across, panel["gridPos"]["y"] + down)
        for panel in panels
        for across in range(panel["gridPos"]["w"])
        for down in range(panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places) and max(x for x, _ in places) < 24


def targets(panel: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = panel.get("targets", [])
    return found


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run promtool among the rules; skip where there is none."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed; Debian has it in the package prometheus")
    return subprocess.run([tool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.foreign
@pytest.mark.parametrize("arguments", [("check", "rules", *RULES), ("test", "rules", "rules_test.yml")], ids=" ".join)
def test_promtool_finds_the_rules_right(arguments: tuple[str, ...]) -> None:
    """Their syntax, and what each of them says of series made up for it."""
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
