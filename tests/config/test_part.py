"""One file of a configuration: what it costs, what it names, and who can read what it holds."""

from pathlib import Path

import pytest
from pydantic import Field

from gateway.config.files import KeyFileOrText
from gateway.config.model import NEVER_SHOWN, Model
from gateway.config.part import Part, Reading, part_of_file, part_of_text
from gateway.config.problem import ConfigError
from gateway.config.secrets import Secret


class Shed(Model):
    owner: str = "nobody"
    opener: Secret | None = None
    key: KeyFileOrText | None = Field(default=None, json_schema_extra=NEVER_SHOWN)
    labels: dict[str, str] = Field(default_factory=dict)


def part(folder: Path, text: str, mode: int = 0o600) -> Part[Shed]:
    """Return what comes of a file with ``text``."""
    path = folder / "shed.toml"
    path.write_text(text)
    path.chmod(mode)
    return part_of_file(path, Shed, Reading({"OWNER": "ann"}), name="shed.toml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('owner = "x"\nopener = "sesame"', 2),
        ('labels = { x = "1", api_key = "sk" }', 1),
        ('key = "-----BEGIN PRIVATE KEY-----"', 1),
    ],
)
def test_a_secret_in_a_file_that_everybody_reads_is_told_once(tmp_path: Path, text: str, line: int) -> None:
    """By the type of its setting, by its name or by what it is; one line is enough to say it of the file."""
    found = part(tmp_path, text, 0o644)

    assert [(each.line, "which holds a secret" in each.message) for each in found.problems] == [(line, True)]
    assert found.value is not None


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ('opener = "sesame"', 0o640),
        ('opener = "${env:OWNER}"', 0o644),
        ('labels = { x = "1" }', 0o644),
        ('key = "shed.toml"', 0o644),
    ],
)
def test_a_file_without_a_secret_may_be_read_by_all(tmp_path: Path, text: str, mode: int) -> None:
    """References and names of files are no secrets, and a secret may lie in a file of its owner's."""
    assert part(tmp_path, text, mode).problems == ()


def test_everything_that_was_looked_at_is_known(tmp_path: Path) -> None:
    """The file, what references name and what settings name, there or not."""
    (tmp_path / "owner").write_text("ann")
    (tmp_path / "shed.toml").write_text('owner = "${file:owner}"\nopener = "${file:none}"\nkey = "the.key"')
    reading = Reading({})

    part_of_file(tmp_path / "shed.toml", Shed, reading)

    assert reading.files == {str(tmp_path / name) for name in ("shed.toml", "owner", "none", "the.key")}


def test_all_files_share_one_measure(tmp_path: Path) -> None:
    """Many small files are as bounded as one large one."""
    reading = Reading({}, octets_left=30)
    (tmp_path / "shed.toml").write_text('owner = "0123456789"')
    part_of_file(tmp_path / "shed.toml", Shed, reading)

    with pytest.raises(ConfigError, match="with this file the configuration is larger"):
        part_of_file(tmp_path / "shed.toml", Shed, reading)


def test_a_default_of_a_reference_is_shown_as_the_text_it_is() -> None:
    """Only what comes from outside is hidden; a default stands in the file for all to see."""
    text = 'owner = "${env:NOBODY:-ann}"\n[labels]\na = "${env:OWNER:-x}"'
    document = part_of_text(text, "x", Path(), Shed, Reading({"OWNER": "ann"})).document

    assert not document.hides(("owner",))
    assert document.hides(("labels", "a"))
