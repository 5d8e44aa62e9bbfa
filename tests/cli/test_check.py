"""`gateway check`: what a person reads, what a program reads, and the status."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.check import check

GOOD = '[upstreams.a]\nendpoints = ["http://127.0.0.1:9"]\n[[routes]]\npath = "/"\nupstream = "a"\n'
QUESTIONABLE = f'{GOOD}[upstreams.b]\nendpoints = ["http://127.0.0.1:9"]\n'
BAD = f"{QUESTIONABLE}[server]\nwrkers = 2\n[log]\nlevel = 7\n"


def run(folder: Path, text: str, *options: str) -> Result:
    """Check a file with ``text``."""
    path = folder / "gateway.toml"
    path.write_text(text)
    return CliRunner().invoke(check, ["-c", str(path), *options], catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        (GOOD, (), 0),
        (GOOD, ("--strict",), 0),
        (QUESTIONABLE, (), 0),
        (QUESTIONABLE, ("--strict",), 1),
        (QUESTIONABLE, ("--json",), 0),
        (QUESTIONABLE, ("--json", "--strict"), 1),
        (BAD, (), 1),
        (BAD, ("--json",), 1),
        ("= 1", ("--json",), 1),
    ],
)
def test_the_status_says_whether_the_file_is_good(
    tmp_path: Path, text: str, options: tuple[str, ...], status: int
) -> None:
    """A pipeline needs nothing else; with --strict a warning is not good enough."""
    assert run(tmp_path, text, *options).exit_code == status


def test_json_has_every_problem_with_every_key(tmp_path: Path) -> None:
    """Programs find the same keys in each object, null where there is nothing to say, and nothing on stderr."""
    result = run(tmp_path, BAD, "--json")
    problems = json.loads(result.stdout)

    assert result.stderr == ""
    assert problems[0] == {
        "severity": "error",
        "file": str(tmp_path / "gateway.toml"),
        "line": 9,
        "column": 1,
        "path": "server.wrkers",
        "message": 'unknown key (did you mean "workers"?)',
        "expected": None,
        "found": None,
        "suggestion": "workers",
    }
    assert (problems[1]["expected"], problems[1]["found"]) == ('"debug", "info", "warning" or "error"', "7")


def test_json_of_a_good_file_is_an_empty_array(tmp_path: Path) -> None:
    """A program need not know whether there is anything to read."""
    assert json.loads(run(tmp_path, GOOD, "--json").stdout) == []


def test_json_keeps_the_severity_of_a_warning(tmp_path: Path) -> None:
    """--strict changes the status, not what a problem is."""
    problems = json.loads(run(tmp_path, QUESTIONABLE, "--json", "--strict").stdout)

    assert [(each["severity"], each["path"]) for each in problems] == [("warning", "upstreams.b")]


def test_people_read_problems_on_stderr_and_the_verdict_on_stdout(tmp_path: Path) -> None:
    """With --strict the last line says that warnings were the reason."""
    good, strict = run(tmp_path, QUESTIONABLE), run(tmp_path, QUESTIONABLE, "--strict")

    assert good.stdout.endswith("gateway.toml is good: 1 routes to 2 upstreams\n")
    assert "warning: upstreams.b: no route uses it" in good.stderr
    assert strict.stdout == ""
    assert strict.stderr.splitlines()[-1].endswith("is not good enough for --strict: 1 warnings")


def test_the_variable_names_the_file(tmp_path: Path) -> None:
    """GATEWAY_CONFIG stands for -c."""
    (tmp_path / "other.toml").write_text(GOOD)
    result = CliRunner().invoke(check, [], env={"GATEWAY_CONFIG": str(tmp_path / "other.toml")})

    assert result.exit_code == 0
    assert "other.toml is good" in result.stdout
