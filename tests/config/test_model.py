"""What a model says about places in a file."""

import pytest
from pydantic import Field

from gateway.config.model import NEVER_SHOWN, Model, is_secret, known_keys
from gateway.config.positions import Path
from gateway.config.secrets import Secret


class Login(Model):
    user: str = ""
    monkey: Secret | None = None
    word: str = Field(default="", json_schema_extra=NEVER_SHOWN)
    key_size: int = 1


class House(Model):
    login: Login | None = None
    rooms: dict[str, Login] = Field(default_factory=dict)
    guests: tuple[Login, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    codes: tuple[Secret, ...] = ()


@pytest.mark.parametrize(
    "path",
    [
        ("login", "monkey"), ("login", "word"), ("guests", 0, "monkey"), ("rooms", "attic", "word"), ("codes", 0),
        ("labels", "api-key"), ("labels", "X-Auth-Token"), ("login", "password"), ("credentials", "anything"),
        ("rooms", "a", "clientSecret"), ("unknown", "API_KEY"),
    ],
)  # fmt: skip
def test_a_secret_place_is_known_by_type_mark_or_name(path: Path) -> None:
    """Declared secrets are, and unknown or free keys that sound like one."""
    assert is_secret(House, path)


@pytest.mark.parametrize(
    "path",
    [
        ("login", "user"),
        ("login", "key_size"),
        ("rooms", "token", "user"),
        ("labels", "monkeys"),
        ("labels",),
        ("unknown",),
    ],
)
def test_a_declared_place_is_not_secret_by_its_name(path: Path) -> None:
    """What the model declares as plain is shown, whatever it is called."""
    assert not is_secret(House, path)


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ((), ["login", "rooms", "guests", "labels", "codes"]),
        (("guests", 3), ["user", "monkey", "word", "key_size"]),
        (("login",), ["user", "monkey", "word", "key_size"]),
        (("labels",), []),
        (("unknown", "x"), []),
    ],
)
def test_the_keys_of_a_table_are_known(path: Path, keys: list[str]) -> None:
    """Also through optional tables, arrays and tables of tables."""
    assert known_keys(House, path) == keys
