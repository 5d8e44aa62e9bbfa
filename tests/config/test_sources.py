"""Several documents as one: every path finds the file that it came from."""

from pathlib import Path

from pydantic import Field

from gateway.config.document import Document
from gateway.config.model import Model
from gateway.config.secrets import Secret
from gateway.config.sources import Sources, Where


class Door(Model):
    name: str = "door"
    code: Secret | None = None


class House(Model):
    doors: tuple[Door, ...] = ()
    rooms: dict[str, Door] = Field(default_factory=dict)


def document(name: str, text: str, **data: object) -> Document:
    """Return a document of House."""
    return Document(name, text, Path(), House, data=data)


MAIN = document(
    "main.toml",
    '[[doors]]\nname = "front"\n[rooms.hall]\nname = "h"\n',
    doors=({"name": "front"},),
    rooms={"hall": {"name": "h"}},
)
ANNEX = document(
    "annex.toml",
    '\n[[doors]]\nname = "back"\ncode = "1234"\n[rooms.attic]\n',
    doors=({"name": "back", "code": "1234"},),
    rooms={"attic": {}},
)
SOURCES = Sources(
    MAIN,
    {("doors", 1): (ANNEX, ("doors", 0)), ("rooms", "attic"): (ANNEX, ("rooms", "attic"))},
    (ANNEX,),
)


def test_a_value_is_found_in_the_file_that_says_it() -> None:
    """An index counts the elements of all files; the line is that of the one."""
    assert SOURCES.where(("doors", 0, "name")) == Where("main.toml", 2)
    assert SOURCES.where(("doors", 1, "name")) == Where("annex.toml", 3)
    assert str(SOURCES.where(("rooms", "attic"))) == "annex.toml:5"


def test_a_value_that_no_file_says_is_nowhere() -> None:
    """A default has no place, not even that of the table around it."""
    assert SOURCES.where(("doors", 0, "code")) is None


def test_a_problem_names_the_file_and_counts_as_it_does() -> None:
    """Whoever opens the file that is named finds what is meant."""
    problem = SOURCES.problem(("doors", 1, "name"), "no such name")

    assert (problem.file, problem.line, problem.path) == ("annex.toml", 3, "doors.back.name")


def test_the_place_of_another_value_is_told_shortly_within_a_file() -> None:
    """Across files its name is needed, within one the line is enough."""
    assert SOURCES.beside(("doors", 0, "name"), ("rooms", "hall")) == " on line 2"
    assert SOURCES.beside(("doors", 0, "name"), ("doors", 1)) == " at main.toml:2"
    assert SOURCES.beside(("doors", 0, "code"), ("doors", 1)) == ""


def test_a_secret_of_any_file_is_hidden() -> None:
    """Masking asks the document that holds the value."""
    assert SOURCES.hides(("doors", 1, "code"))
    assert SOURCES.shown("1234", ("doors", 1, "code")) == "***"
    assert not SOURCES.hides(("doors", 1, "name"))


def test_the_keys_of_a_table_are_those_of_all_files() -> None:
    """What is named in one file may stand in another."""
    assert SOURCES.keys("rooms") == {"hall", "attic"}
    assert SOURCES.keys("doors") == set()
