"""Names of files in settings."""

from pathlib import Path

import pytest

from gateway.config.files import KeyFileOrText, ReadableFile
from gateway.config.load import load_text
from gateway.config.model import Model
from gateway.config.problem import ConfigError


class Files(Model):
    ca: ReadableFile | None = None
    key: KeyFileOrText | None = None


def test_a_relative_name_starts_from_the_directory_of_the_configuration(tmp_path: Path) -> None:
    """Whatever directory the process was started in."""
    (tmp_path / "ca.pem").write_text("x")

    assert load_text('ca = "./ca.pem"', "a.toml", Files, directory=tmp_path).ca == str(tmp_path / "ca.pem")


@pytest.mark.parametrize("name", ["missing", "", "a\\u0000b"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    """When the settings are read, not when the file is needed."""
    with pytest.raises(ConfigError, match=r"^a\.toml:1:6: ca: "):
        load_text(f'ca = "{name}"', "a.toml", Files, directory=tmp_path)


def test_a_key_may_be_the_text_itself(tmp_path: Path) -> None:
    """A reference brings the key, where there is no file to name."""
    pem = "-----BEGIN PRIVATE KEY-----\nx"

    assert load_text(f"key = '''{pem}'''", "a.toml", Files, directory=tmp_path).key == pem
