"""The checker's errors in plain words."""

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, ValidationError

from gateway.config.document import Document
from gateway.config.model import Model
from gateway.config.translate import closest, real_path, translate


class Wheel(Model):
    spokes: int = Field(default=8, ge=1, le=64)
    tyre: Literal["road", "mud"] = "road"


class Bike(Model):
    owner: str
    bell: bool = True
    wheels: tuple[Wheel, ...] = Field(default=(), max_length=1)


class Shop(Model):
    bikes: tuple[Bike, ...] = Field(min_length=1)


def words_of(data: dict[str, Any]) -> list[str]:
    """Return what is said about ``data``, without places."""
    with pytest.raises(ValidationError) as raised:
        Bike.model_validate(data)
    problems = translate(raised.value.errors(), Document("bike.toml", "", Path(), Bike, data=data))
    return [problem.words() for problem in problems]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"owner": 1}, "expected a string, found 1"),
        ({"owner": "a", "bell": "loud"}, 'expected true or false, found "loud"'),
        ({"owner": "a", "wheels": ({"spokes": 0},)}, "expected at least 1, found 0"),
        ({"owner": "a", "wheels": ({"spokes": 65},)}, "expected at most 64, found 65"),
        ({"owner": "a", "wheels": ({}, {})}, "expected at most 1 element, found an array"),
        ({"owner": "a", "wheels": 3}, "expected an array, found 3"),
        ({"owner": "a", "wheels": ({"tyre": "mad"},)}, 'expected "road" or "mud", found "mad" (did you mean "mud"?)'),
        ({}, 'the key "owner" is missing'),
        ({"owner": "a", "bel": True}, 'unknown key (did you mean "bell"?)'),
    ],
)
def test_an_error_is_told_in_plain_words(data: dict[str, Any], said: str) -> None:
    """What was expected, what was found, and what was probably meant."""
    assert words_of(data) == [said]


def test_an_array_whose_elements_are_wrong_is_not_called_empty() -> None:
    """That no element is left follows from the wrong ones, and is not said again."""
    with pytest.raises(ValidationError) as raised:
        Shop.model_validate({"bikes": ({"owner": 1},)})
    problems = translate(
        raised.value.errors(), Document("shop.toml", "", Path(), Shop, data={"bikes": ({"owner": 1},)})
    )

    assert [problem.words() for problem in problems] == ["expected a string, found 1"]


def test_a_misspelt_key_is_told_once() -> None:
    """That the right spelling is missing follows from the wrong one, and is not said again."""
    assert words_of({"ownr": "a"}) == ['unknown key (did you mean "owner"?)']


def test_an_error_in_a_key_points_at_the_key() -> None:
    """The checker marks such an error with a step of its own, which the file does not have."""
    assert real_path(("labels", "x y", "[key]")) == ("labels", "x y")


def test_a_word_unlike_all_others_has_no_suggestion() -> None:
    """A wrong guess is worse than none."""
    assert closest("zebra", ["bell", "wheels"]) is None
