"""API keys and passwords: who has one, where it is shown, and how it is taken out of a target."""

import base64

import pytest
from pydantic import ValidationError
from support.callers import a_known, callers_with, sha256
from support.exchanges import a_request

from gateway.exchange.callers import Callers
from gateway.policy.caller_keys import (
    KeySettings,
    credentials,
    key_in,
    known_key,
    known_user,
    name_and_password,
    without_parameter,
)

DIGEST = sha256("the-key").hex()
CALLERS = Callers(key_query="api_key")


@pytest.mark.parametrize(("text", "name"), [("the-key", "app"), ("the-kez", None), ("", None), ("é" * 2000, None)])
def test_only_the_exact_key_is_known(text: str, name: str | None) -> None:
    """One octet more, less or other makes it nobody's."""
    found = known_key(callers_with(a_known()), text)

    assert (found.name if found else None) == name


def test_both_keys_are_known_while_one_replaces_the_other() -> None:
    """A caller may have several digests."""
    settings = KeySettings.model_validate({"sha256": (DIGEST, sha256("new").hex().upper())})
    known = settings.known("app", settings.digests())

    assert known_key(callers_with(known), "the-key") == known_key(callers_with(known), "new") == known


@pytest.mark.parametrize(
    ("name", "password", "known"), [("bob", "the-key", True), ("bob", "x", False), ("eve", "the-key", False)]
)
def test_user_needs_the_own_password(name: str, password: str, known: bool) -> None:
    """Neither a name alone nor somebody's password is enough."""
    callers = Callers(users={"bob": a_known("bob"), "carl": a_known("carl", "other")})

    assert (known_user(callers, name, password) is not None) is known


@pytest.mark.parametrize(
    ("target", "fields", "key"),
    [
        ("/", [], None),
        ("/", [("x-api-KEY", "a")], "a"),
        ("/", [("Authorization", "bearer  a")], "a"),
        ("/", [("Authorization", "Basic a")], None),
        ("/?api_key=a%2Bb&x", [], "a+b"),
        ("/?api%5Fkey=a", [], "a"),
        ("/?api_key=q", [("X-API-Key", "h"), ("Authorization", "Bearer b")], "h"),
        ("/?api_key=q", [("Authorization", "Bearer b")], "q"),
    ],
)
def test_key_is_found_where_it_is_shown(target: str, fields: list[tuple[str, str]], key: str | None) -> None:
    """In the field, else in the query, else as a bearer token."""
    assert key_in(a_request(target=target, fields=fields), CALLERS) == key


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("/", [("X-API-Key", "a"), ("x-api-key", "a")]),
        ("/?api_key=a&api_key=b", []),
        ("/", [("Authorization", "Bearer a"), ("Authorization", "Bearer b")]),
    ],
)
def test_two_keys_in_one_place_are_refused(target: str, fields: list[tuple[str, str]]) -> None:
    """Readers would differ about which of them counts."""
    with pytest.raises(ValueError, match="more than one"):
        key_in(a_request(target=target, fields=fields), CALLERS)


def test_query_holds_no_key_unless_it_is_said() -> None:
    """A parameter that happens to have the name is none."""
    assert key_in(a_request(target="/?api_key=a"), Callers()) is None


def test_credentials_are_those_of_the_scheme() -> None:
    """The scheme is compared without regard to case (RFC 9110 section 11.1)."""
    request = a_request(fields=[("authorization", "BASIC abc")])

    assert credentials(request, "basic") == "abc"
    assert credentials(request, "bearer") is None


def test_basic_credentials_are_name_and_password() -> None:
    """The first colon separates them; a password may have more (RFC 7617 section 2)."""
    assert name_and_password(base64.b64encode("bob:a:ü".encode()).decode()) == ("bob", "a:ü")
    for broken in ("***", base64.b64encode(b"nocolon").decode(), base64.b64encode(b"\xff:x").decode()):
        with pytest.raises(ValueError, match="Basic credentials"):
            name_and_password(broken)


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ("/a", "/a"),
        ("/a?", "/a?"),
        ("/a?api_key=1", "/a"),
        ("/a?x=%2f&api_key=1&&y", "/a?x=%2f&&y"),
        ("/a?api%5fkey=1&API_KEY=2", "/a?API_KEY=2"),
        ("/a?x=api_key=1", "/a?x=api_key=1"),
        ("/a?api_key", "/a"),
    ],
)
def test_parameter_is_taken_off_and_nothing_else(target: str, left: str) -> None:
    """All other octets stay, empty parameters too."""
    assert without_parameter(target, "api_key") == left


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2027-01-01", 1798761600.0), ("2027-01-01T01:00:00+01:00", 1798761600.0), ("2027-01-01T00:00:00Z", 1798761600.0)],
)
def test_expiry_is_a_moment(value: str, seconds: float) -> None:
    """A date begins at midnight UTC."""
    assert KeySettings.model_validate({"sha256": DIGEST, "expires": value}).expires == seconds


@pytest.mark.parametrize(
    "settings",
    [
        {"sha256": "abc"},
        {"sha256": ()},
        {},
        {"sha256": DIGEST, "expires": "tomorrow"},
        {"sha256": DIGEST, "expires": "2027-01-01T10:00:00"},
        {"sha256": DIGEST, "scopes": ("two words",)},
        {"sha256": DIGEST, "routes": ()},
    ],
)
def test_settings_that_say_nothing_clear_are_refused(settings: dict[str, object]) -> None:
    """No digest, half a digest, a time without zone, a scope of two."""
    with pytest.raises(ValidationError):
        KeySettings.model_validate(settings)
