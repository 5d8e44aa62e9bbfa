"""Broken files in, exact messages out: each `cases/X.toml` has all its problems, word for word, in `cases/X.txt`."""

from pathlib import Path

import pytest

from gateway.assemble import read
from gateway.config.problem import ConfigError

CASES = Path(__file__).parent / "cases"
ENVIRONMENT = {"SLOWGATE_TEST_SECRET": "sk-hidden value", "SLOWGATE_TEST_NUMBER": "77231"}


@pytest.fixture
def among_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make messages name the files without their directory, and give references something to find."""
    monkeypatch.chdir(CASES)
    monkeypatch.delenv("SLOWGATE_TEST_UNSET", raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def told(name: str) -> str:
    """Return what is told about a case, without the directory of the cases."""
    with pytest.raises(ConfigError) as raised:
        read(Path(name))
    return str(raised.value).replace(f"{CASES}/", "") + "\n"


@pytest.mark.usefixtures("among_cases")
@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.toml")))
def test_a_broken_file_gets_exactly_its_messages(case: str) -> None:
    """Every problem of a file is told at once, with its place, in words that stay."""
    expected = (CASES / f"{case}.txt").read_text()

    assert told(f"{case}.toml") == expected


@pytest.mark.usefixtures("among_cases")
@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.toml")))
def test_no_message_shows_a_secret(case: str) -> None:
    """Neither a secret in the file nor one brought by a reference is ever told."""
    text = told(f"{case}.toml")

    assert not [secret for secret in ("hidden", "hunter2", "77231") if secret in text]
