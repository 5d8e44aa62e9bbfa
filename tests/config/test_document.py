"""Problems that point into a text, and what they may show of it."""

from pathlib import Path

import pytest

from gateway.config.document import Document, describe, shorten
from gateway.config.model import Model
from gateway.config.secrets import Secret


class Door(Model):
    name: str = "door"
    code: Secret | None = None


class House(Model):
    doors: tuple[Door, ...] = ()


TEXT = '[[doors]]\nname = "front"\n[[doors]]\nname = "back"\ncode = "1234"\n'


def house(**changes: object) -> Document:
    """Return the document of TEXT."""
    data = {"doors": ({"name": "front"}, {"name": "back", "code": "1234"})}
    return Document("house.toml", TEXT, Path(), House, data=data, **changes)  # type: ignore[arg-type]


def test_a_problem_has_the_place_and_the_line_of_its_value() -> None:
    """A problem of a value stands where the value begins, with the line it is in."""
    problem = house().problem(("doors", 1, "name"), "no such name")

    assert (problem.line, problem.column, problem.source) == (4, 8, 'name = "back"')


def test_an_element_is_called_by_its_name() -> None:
    """Tables of an array are told apart by their names, not by counting."""
    assert house().label(("doors", 1, "code")) == "doors.back.code"


def test_an_index_counts_the_elements_of_the_file() -> None:
    """Where wrong elements were left out of the checks, a problem still points at the right one."""
    assert house(kept={("doors",): (1,)}).in_file(("doors", 0, "name")) == ("doors", 1, "name")


def test_what_is_not_in_the_file_is_placed_at_what_surrounds_it() -> None:
    """A value that is missing or a default has no place of its own."""
    problem = house().problem(("doors", 7, "name"))

    assert (problem.line, problem.source) == (1, "[[doors]]")


def test_a_secret_is_never_shown() -> None:
    """Neither the value by itself nor the line it stands in shows a secret."""
    document = house()

    assert document.shown("1234", ("doors", 1, "code")) == "***"
    assert document.shown_line(5) == 'code = "***"'


def test_a_value_from_a_reference_is_never_shown() -> None:
    """What came from the environment or a file may be secret, whatever the setting is called."""
    document = house(substituted=frozenset({("doors", 0, "name")}))

    assert document.shown("front", ("doors", 0, "name")) == "***"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", '"plain"'),
        ("https://user:pass@host/", '"https://***@host/"'),
        ("x" * 200, '"' + "x" * 60 + '…"'),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        ({}, "a table"),
        ((1,), "an array"),
        ((), "an empty array"),
    ],
)
def test_values_are_described_in_short(value: object, shown: str) -> None:
    """A value is told on one line, as the file would spell it, without the user part of an URL."""
    assert describe(value) == shown


def test_a_long_line_is_shortened() -> None:
    """A message shows the beginning of a line, tabs made visible as spaces."""
    assert shorten("\tx" + "y" * 300) == "    x" + "y" * 155 + "…"


@pytest.mark.parametrize("password", ["plain", "p@ss", "a@b@c", "p@s?s#w", "a/b@c"])
def test_no_part_of_a_password_in_a_url_is_shown(password: str) -> None:
    """Also where signs that belong escaped are not, so that the URL is another one than was meant."""
    url = f"postgrs://user:{password}@db/name"

    assert shorten(f'url = "{url}"') == 'url = "postgrs://***@db/name"'
    assert describe(url) == '"postgrs://***@db/name"'
