"""What is shipped: the wheel, the pins, the commands of the README, the list of changes."""

import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import gateway

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN_LOCK = ROOT / "deploy/requirements.lock"
BUILD_LOCK = ROOT / "deploy/build.lock"
TEST_LOCK = ROOT / "tests/requirements.lock"
LOCKS = [RUN_LOCK, BUILD_LOCK, TEST_LOCK]

PIN = re.compile(r"(?P<name>[a-z0-9.-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>.+?))? \\$")
HASH = re.compile(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?$")
KEEP_A_CHANGELOG = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def pins(lock: Path) -> dict[str, Version]:
    """Return the pinned version of each package in ``lock``."""
    matches = [PIN.match(line) for line in lock.read_text().splitlines()]
    return {match["name"]: Version(match["version"]) for match in matches if match}


def entries(lock: Path) -> list[list[str]]:
    """Return the lines of each pin in ``lock``, comments left out: the pin itself, then its hashes."""
    lines = [line for line in lock.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    starts = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def missed_floors(requirements: list[str], lock: Path) -> list[str]:
    """Return each requirement that the pins of ``lock`` do not satisfy."""
    pinned = pins(lock)
    wanted = [Requirement(requirement) for requirement in requirements]
    return [str(one) for one in wanted if one.name not in pinned or pinned[one.name] not in one.specifier]


def shown(path: Path) -> str:
    """Return the path as a person in the tree would type it."""
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the tree, without network."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed; `make test` installs it")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_wheel_carries_the_version_of_the_package(wheel: Path) -> None:
    """The version is written down once, in gateway/__init__.py."""
    assert wheel.name == f"slowgate-{gateway.__version__}-py3-none-any.whl"


def test_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    """Templates and static files come along; tests and deployment files do not."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    listed = {shown(path) for path in ROOT.glob("gateway/**/*") if path.is_file() and "__pycache__" not in path.parts}
    assert names == listed


def test_wheel_installs_both_commands(wheel: Path) -> None:
    """`gateway` and `slowgate` are the same command."""
    archive = zipfile.ZipFile(wheel)
    text = archive.read(next(name for name in archive.namelist() if name.endswith("entry_points.txt"))).decode()
    commands = ["gateway = gateway.__main__:main", "slowgate = gateway.__main__:main"]
    assert text.split("\n") == ["[console_scripts]", *commands, ""]


@pytest.mark.parametrize("lock", LOCKS, ids=shown)
def test_every_pin_is_exact_and_carries_hashes(lock: Path) -> None:
    """What is installed is what was tested, octet for octet."""
    found = entries(lock)
    assert len(found) >= 6
    assert [entry[0] for entry in found if not PIN.match(entry[0])] == []
    assert [entry[0] for entry in found if len(entry) < 2] == []
    assert [line for entry in found for line in entry[1:] if not HASH.match(line)] == []


@pytest.mark.parametrize("path", [*LOCKS, ROOT / "tests/foreign/package-lock.json"], ids=shown)
def test_lock_names_no_registry_and_no_machine(path: Path) -> None:
    """Everybody installs from the registry that is configured; nothing tells where the lock was made."""
    text = path.read_text()
    assert re.findall(r"--(?:index|extra-index|find-links)\S*|\"resolved\"|registry\.\S+|pypi\.\S+", text) == []
    assert re.findall(r"(?:^|[\s\"'=])/(?:\w+/)+\w+", text) == []
    assert path.suffix == ".json" or "://" not in text


def test_locks_agree_on_the_packages_they_share() -> None:
    """The tests run with the very versions that are deployed."""
    tested = pins(TEST_LOCK)
    deployed = pins(RUN_LOCK) | pins(BUILD_LOCK)
    assert {name: tested.get(name) for name in deployed} == deployed


def test_pins_satisfy_what_the_project_asks_for() -> None:
    """The locks are not older than the requirements: `make lock` was run after the last change."""
    groups = PROJECT["dependency-groups"]
    assert missed_floors(PROJECT["project"]["dependencies"], RUN_LOCK) == []
    assert missed_floors(PROJECT["build-system"]["requires"] + groups["build"], BUILD_LOCK) == []
    assert missed_floors([one for one in groups["test"] if isinstance(one, str)], TEST_LOCK) == []


@pytest.mark.parametrize("extra", PROJECT["project"]["optional-dependencies"])
def test_container_image_has_every_extra(extra: str) -> None:
    """It installs the pins, and they have what any setting needs: nobody builds an image to try one."""
    assert missed_floors(PROJECT["project"]["optional-dependencies"][extra], RUN_LOCK) == []
    assert f"-r {shown(RUN_LOCK)}" in (ROOT / "deploy/Dockerfile").read_text()


@pytest.mark.parametrize(("name", "refused"), [("flask", ["3.1.2", "3.2.0"]), ("gunicorn", ["28.0.0"])])
def test_packages_built_upon_from_within_are_taken_only_as_they_are_known(name: str, refused: list[str]) -> None:
    """Versions whose internals are others than those that are used are not installed."""
    (asked,) = [one for one in map(Requirement, PROJECT["project"]["dependencies"]) if one.name == name]
    assert pins(RUN_LOCK)[name] in asked.specifier
    assert [version for version in refused if Version(version) in asked.specifier] == []


def test_unmet_floor_is_found(tmp_path: Path) -> None:
    """A pin below its floor and a package without a pin are both reported."""
    lock = tmp_path / "some.lock"
    lock.write_text("flask==3.0.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    assert missed_floors(["flask>=3.1", "click", "flask<4"], lock) == ["flask>=3.1", "click"]


def test_pythons_are_the_same_wherever_they_are_named() -> None:
    """Those of the classifiers are those of the README; the oldest is the floor, and the image has one of them."""
    names = [each.rpartition(" ")[2] for each in PROJECT["project"]["classifiers"] if "Python :: 3." in each]
    told = re.search(r"Python (\S+) or newer .*tested with (.+)\.$", (ROOT / "README.md").read_text(), re.M)
    assert told and re.findall(r"3\.\d+", told[2]) == names == sorted(names, key=Version)
    floors = {told[1], PROJECT["tool"]["mypy"]["python_version"]}
    assert floors == {names[0]} and PROJECT["project"]["requires-python"] == f">={names[0]}"
    assert set(re.findall(r"^FROM python:([\d.]+)", (ROOT / "deploy/Dockerfile").read_text(), re.M)) <= set(names)


def test_every_make_command_in_the_readme_exists() -> None:
    """A reader of the README can type its commands: `make run`, `make test` and every other one it names."""
    text = (ROOT / "README.md").read_text()
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    named = set(re.findall(r"\bmake ([a-z]+)", code))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {"run", "test"} <= named
    assert named <= targets


def test_changelog_begins_with_what_is_not_released_yet() -> None:
    """Every change finds its place: Unreleased on top, its sections in the order of Keep a Changelog."""
    text = (ROOT / "CHANGELOG.md").read_text()
    releases = re.findall(r"^## \[?([^\]\n]+)", text, re.M)
    assert releases[0] == "Unreleased"
    for block in text.split("\n## ")[1:]:
        sections = re.findall(r"^### (.+)$", block, re.M)
        assert sections == [section for section in KEEP_A_CHANGELOG if section in sections]


def test_version_is_released_or_about_to_be() -> None:
    """The version is a valid one, and not below any release in CHANGELOG."""
    text = (ROOT / "CHANGELOG.md").read_text()
    released = [Version(found) for found in re.findall(r"^## \[?(\d[^\]\s]*)", text, re.M)]
    assert released == sorted(released, reverse=True)
    assert all(Version(gateway.__version__) >= version for version in released)
