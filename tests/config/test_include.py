"""A configuration in several files; the exact messages are in `cases/include.txt`."""

from pathlib import Path

import pytest
from pydantic import Field

from gateway.config import include
from gateway.config.load import Examined, examine, examine_text
from gateway.config.model import Model


class Tool(Model):
    name: str = "tool"


class Shed(Model):
    include: tuple[str, ...] = ()
    owner: str = "nobody"
    tools: tuple[Tool, ...] = ()
    rooms: dict[str, Tool] = Field(default_factory=dict)


def write(folder: Path, **files: str) -> Path:
    """Write files, ``__`` in their names standing for a slash; return the main one."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder / "main.toml"


def told(examined: Examined[Shed]) -> list[str]:
    """Return the messages, each with its file's own name."""
    return [f"{Path(each.file).name}:{each.line}: {each.words()}" for each in examined.problems]


def test_included_elements_follow_those_of_the_main_file(tmp_path: Path) -> None:
    """Patterns in their order, names of each pattern in theirs, what a file includes after the file itself."""
    main = write(
        tmp_path,
        main='include = ["d/*.toml", "last.toml"]\n[[tools]]\nname = "main"\n[rooms.x]\n',
        d__b='[[tools]]\nname = "b"\n',
        d__a='include = ["../deep.toml"]\n[[tools]]\nname = "a"\n[rooms.y]\nname = "r"\n',
        deep='[[tools]]\nname = "deep"\n',
        last='[[tools]]\nname = "last"\n',
    )
    examined = examine(main, Shed)

    assert examined.value is not None
    assert [tool.name for tool in examined.value.tools] == ["main", "a", "deep", "b", "last"]
    assert {key: room.name for key, room in examined.value.rooms.items()} == {"x": "tool", "y": "r"}
    assert examined.problems == ()
    assert str(examined.sources.where(("tools", 3, "name"))) == f"{tmp_path}/d/b.toml:2"


def test_a_pattern_may_find_nothing(tmp_path: Path) -> None:
    """An empty folder is where many begin."""
    examined = examine(write(tmp_path, main='include = ["none.d/*.toml"]\n'), Shed)

    assert (examined.value is not None, examined.problems) == (True, ())


def test_a_text_includes_from_its_directory(tmp_path: Path) -> None:
    """A configuration that is no file can include others, too."""
    write(tmp_path, a="[[tools]]\n")
    examined = examine_text('include = ["a.toml"]', "text", Shed, directory=tmp_path)

    assert examined.value is not None
    assert len(examined.value.tools) == 1


def test_a_file_that_cannot_be_read_leaves_the_rest_incomplete(tmp_path: Path) -> None:
    """Its own mistake is told with all others, and nobody concludes anything from what it may have held."""
    main = write(tmp_path, main='include = ["*.d/*.toml"]\nonwer = "x"\n', x__d="")
    (tmp_path / "x.d").mkdir()
    (tmp_path / "x.d/bad.toml").write_text("= 1")
    examined = examine(main, Shed)

    assert [line.partition(":")[0] for line in told(examined)] == ["main.toml", "bad.toml"]
    assert examined.sources.incomplete
    assert examined.sources.partial


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    """A circle is told where it closes, whatever the way round is called."""
    main = write(
        tmp_path, main='include = ["a.toml"]', a='include = ["./b.toml"]', b='include = ["d/../a.toml"]', d__x=""
    )

    assert told(examine(main, Shed)) == [f"b.toml:1: {tmp_path}/a.toml includes this file in turn: a circle"]


def test_a_link_is_the_file_it_leads_to(tmp_path: Path) -> None:
    """The same elements do not come twice because the file has two names."""
    main = write(tmp_path, main='include = ["a.toml", "b.toml"]', a="[[tools]]\n")
    (tmp_path / "b.toml").symlink_to(tmp_path / "a.toml")

    assert told(examine(main, Shed)) == [f"main.toml:1: {tmp_path}/b.toml is included already"]


def test_depth_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of files has an end, which is told."""
    monkeypatch.setattr(include, "MAX_DEPTH", 2)
    main = write(tmp_path, main='include = ["a.toml"]', a='include = ["b.toml"]', b='include = ["c.toml"]', c="")

    assert [line.partition(" would be ")[2] for line in told(examine(main, Shed))] == [
        "the file number 3 in a row that include each other; at most 2"
    ]


def test_the_number_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that finds half the disk does not read it."""
    monkeypatch.setattr(include, "MAX_FILES", 2)
    main = write(tmp_path, main='include = ["d/*.toml"]', d__a="", d__b="", d__c="")

    assert told(examine(main, Shed)) == ["main.toml:1: more than 2 files"]


def test_a_watcher_learns_of_files_and_of_folders_of_patterns(tmp_path: Path) -> None:
    """A new file in a folder changes the folder; a file that is missing may come."""
    main = write(tmp_path, main='include = ["d/*.toml", "none.toml"]', d__a="[[tools]]\n")
    files: set[str] = set()
    examine(main, Shed, files=files)

    assert files == {str(tmp_path / name) for name in ("main.toml", "d", "d/a.toml", "none.toml")}


def test_everything_is_read_anew(tmp_path: Path) -> None:
    """A second reading knows nothing of the first."""
    main = write(tmp_path, main='include = ["d/*.toml"]', d__a='[[tools]]\nname = "${env:NAME}"\n')
    first = examine(main, Shed, environ={"NAME": "one"})
    write(tmp_path, d__b="[[tools]]\n")
    second = examine(main, Shed, environ={"NAME": "two"})

    assert first.value is not None
    assert second.value is not None
    assert [tool.name for tool in first.value.tools] == ["one"]
    assert [tool.name for tool in second.value.tools] == ["two", "tool"]
