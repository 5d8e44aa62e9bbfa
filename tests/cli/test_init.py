"""`gateway init`: files to start from, which work."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.assemble import read, read_text
from gateway.cli.init import STARTERS, init, starter
from gateway.config.problem import ConfigError


@pytest.mark.parametrize("kind", STARTERS)
def test_a_starter_loads_without_a_warning(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the one variable that the generic one names."""
    monkeypatch.setenv("UPSTREAM_URL", "http://127.0.0.1:9000")
    output = tmp_path / "gateway.toml"
    result = CliRunner().invoke(init, [kind, "-o", str(output)])
    _, plan, warnings = read(output)

    assert result.exit_code == 0
    assert (len(plan.routes), warnings) == (1, ())


def test_the_generic_starter_says_which_variable_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it nothing starts, and the message names it."""
    monkeypatch.delenv("UPSTREAM_URL", raising=False)
    with pytest.raises(ConfigError, match="the environment variable UPSTREAM_URL is not set"):
        read_text(starter("generic"), "x")


@pytest.mark.parametrize("kind", STARTERS)
def test_the_commented_out_settings_of_a_starter_load_too(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes the # away gets a file that works."""
    monkeypatch.setenv("UPSTREAM_URL", "http://127.0.0.1:9000")
    lines = [
        line.removeprefix("# ") if line.startswith("# ") and line.split()[2:3] == ["="] else line
        for line in starter(kind).splitlines()
    ]

    assert read_text("\n".join(lines), "x")[1].routes


@pytest.mark.parametrize(("kind", "told"), [("openai", "openai"), ("anthropic", "anthropic"), ("generic", None)])
def test_a_starter_for_a_model_api_shows_how_to_record_its_streams(kind: str, told: str | None) -> None:
    """Whoever takes the # away has the format that goes with the API."""
    lines = [line.removeprefix("# ") for line in starter(kind).splitlines() if line.startswith("# stream = ")]

    assert [f'format = "{told}"' in line for line in lines] == ([True] if told else [])


def test_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    """Neither overwritten nor touched; the status tells."""
    output = tmp_path / "gateway.toml"
    output.write_text("mine")
    result = CliRunner().invoke(init, ["openai", "-o", str(output)])

    assert (result.exit_code, output.read_text()) == (1, "mine")
    assert "exists and is left as it is" in result.stderr


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Without a traceback."""
    result = CliRunner().invoke(init, ["-o", str(tmp_path / "none/gateway.toml")])

    assert result.exit_code == 1
    assert result.stderr.startswith("gateway: cannot write ")


def test_a_dash_writes_to_standard_output() -> None:
    """And nothing but the file, so that it can be piped."""
    result = CliRunner().invoke(init, ["anthropic", "-o", "-"])

    assert (result.stdout, result.stderr) == (starter("anthropic"), "")


def test_a_starter_for_a_provider_says_that_clients_bring_their_keys() -> None:
    """Nobody looks for a setting that is not there."""
    for kind in ("openai", "anthropic"):
        assert "The gateway holds no key: each client sends its own" in starter(kind)
