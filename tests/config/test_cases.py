"""Broken files in, exact messages out: each `cases/X.toml` has all its problems, word for word, in `cases/X.txt`.

Cases whose name begins with ``open`` can be read by every user of the machine, the others only by their owner.
"""

import shutil
from pathlib import Path

import pytest

from gateway.assemble import read
from gateway.config.problem import ConfigError

CASES = Path(__file__).parent / "cases"
ENVIRONMENT = {"SLOWGATE_TEST_SECRET": "sk-hidden value", "SLOWGATE_TEST_NUMBER": "77231"}


@pytest.fixture
def among_cases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make messages name the files without their directory, and give references something to find."""
    folder = tmp_path / "cases"
    shutil.copytree(CASES, folder)
    for path in folder.rglob("*.*"):
        if path.is_file():
            path.chmod(0o644 if path.name.startswith("open") else 0o600)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SLOWGATE_TEST_UNSET", raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return folder


def told(name: str, folder: Path) -> str:
    """Return what is told about a case, without the directory of the cases."""
    try:
        _, _, problems = read(Path(name))
    except ConfigError as error:
        problems = error.problems
    return "".join(f"{problem}\n" for problem in problems).replace(f"{folder}/", "")


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.toml")))
def test_a_broken_file_gets_exactly_its_messages(case: str, among_cases: Path) -> None:
    """Every problem of a file is told at once, with its place, in words that stay."""
    expected = (CASES / f"{case}.txt").read_text()

    assert told(f"{case}.toml", among_cases) == expected


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.toml")))
def test_no_message_shows_a_secret(case: str, among_cases: Path) -> None:
    """Neither a secret in the file nor one brought by a reference is ever told."""
    text = told(f"{case}.toml", among_cases)

    assert not [secret for secret in ("hidden", "hunter2", "77231") if secret in text]
