"""`gateway schema`, read by a tool that people have in their editors."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.init import STARTERS, starter
from gateway.cli.schema import schema

ROOT = Path(__file__).parents[2]
BROKEN = """\
[server]
workerz = 2
drain_timeout = "30"
[log]
level = "loud"
[upstreams.a]
endpoints = 7
[[routes]]
path = "/"
"""
REFERENCES = """\
include = "routes.d/*.toml"
[server]
drain_timeout = "${env:DRAIN:-30s}"
[log]
level = "${env:LEVEL}"
[upstreams.a]
endpoints = "http://127.0.0.1:9000"
timeouts = { idle = "off", total = "1h30m" }
[[routes]]
path = "/"
upstream = "a"
headers = { X-Team = true, X-Key = "${file:key}" }
"""


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    """Return the schema that the command prints."""
    result = CliRunner().invoke(schema, [], catch_exceptions=False)
    assert result.exit_code == 0
    return dict(json.loads(result.stdout))


@pytest.fixture
def tombi() -> str:
    """Return the path of tombi, or skip."""
    found = shutil.which("tombi", path=str(Path(sys.executable).parent)) or shutil.which("tombi")
    if found is None:
        pytest.skip("tombi is not installed; `make test` installs it where its wheels run")
    return found


def lint(tombi: str, folder: Path, printed: dict[str, Any], text: str) -> subprocess.CompletedProcess[str]:
    """Let tombi look at a file with ``text`` by the schema."""
    (folder / "schema.json").write_text(json.dumps(printed))
    (folder / "gateway.toml").write_text(text)
    (folder / "tombi.toml").write_text('[[schemas]]\npath = "schema.json"\ninclude = ["gateway.toml"]\n')
    command = [tombi, "lint", "--offline", "--error-on-warnings", "gateway.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50)


def tables(node: Any) -> list[dict[str, Any]]:
    """Return every schema of a table within ``node``."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found = [table for each in inner for table in tables(each)]
    return [node, *found] if isinstance(node, dict) and node.get("type") == "object" else found


def test_no_table_takes_unknown_keys(printed: dict[str, Any]) -> None:
    """Closed, or with a schema for what stands below names of the user's choice."""
    assert len(tables(printed)) > 10
    for table in tables(printed):
        closed = table["additionalProperties"] is False
        assert closed is ("properties" in table)
        assert closed or table["additionalProperties"]


def test_every_setting_has_its_text(printed: dict[str, Any]) -> None:
    """An editor shows the meaning of what one types."""
    for table in tables(printed):
        for name, setting in table.get("properties", {}).items():
            assert len(setting.get("description", "")) > 20, name


@pytest.mark.foreign
@pytest.mark.parametrize("text", [(ROOT / "gateway.toml").read_text(), REFERENCES, *map(starter, STARTERS)])
def test_tombi_accepts_good_files(tombi: str, tmp_path: Path, printed: dict[str, Any], text: str) -> None:
    """The example, every starter, and references in the place of any string."""
    done = lint(tombi, tmp_path, printed, text)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.foreign
def test_tombi_finds_what_is_wrong(tombi: str, tmp_path: Path, printed: dict[str, Any]) -> None:
    """An unknown key, a duration without unit, an unknown word, a wrong type and a missing key."""
    done = lint(tombi, tmp_path, printed, BROKEN)
    told = done.stdout + done.stderr

    assert done.returncode == 1
    for wrong in ('"workerz" is not allowed', "gateway.toml:3", '"loud"', "gateway.toml:7", '"upstream" is required'):
        assert wrong in told
