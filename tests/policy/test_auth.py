"""What a route asks of its callers, as settings."""

import pytest
from pydantic import ValidationError
from support.callers import a_rule, callers_with

from gateway.policy.auth import AuthSettings


def test_route_without_ways_asks_nobody() -> None:
    """Nothing is asked unless it is said."""
    assert AuthSettings().asked(callers_with()) is None


def test_jwt_alone_means_every_issuer_in_their_order() -> None:
    """With a name it means that one; named twice, it counts once."""
    callers = callers_with(tokens={"a": a_rule(name="a"), "b": a_rule(name="b")})
    asked = AuthSettings.model_validate({"any": ("jwt:b", "jwt", "keys"), "scopes": ("x",)}).asked(callers)

    assert asked is not None
    assert asked.ways == (("jwt", "b"), ("jwt", "a"), ("keys", ""))
    assert asked.scopes == {"x"}
    assert not asked.pass_credential


@pytest.mark.parametrize("ways", [(), ("password",), ("keys:app",), ("jwt:",), ("jwt:a b",)])
def test_way_that_does_not_exist_is_refused(ways: tuple[str, ...]) -> None:
    """An empty array is, too: it would read like an open door, and close it."""
    with pytest.raises(ValidationError):
        AuthSettings.model_validate({"any": ways})
