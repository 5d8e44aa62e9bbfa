"""The external check: what it is asked, and what its answer means."""

import pytest
from pydantic import ValidationError
from support.exchanges import a_request

from gateway.exchange.callers import ForwardRule, Place
from gateway.exchange.failure import AUTH_UNAVAILABLE, FORBIDDEN, UNAUTHENTICATED, FailureError, Kind
from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.target import parse_endpoint
from gateway.policy.caller_forward import ForwardSettings, answered, question_fields, shown

RULE = ForwardRule(
    "sso", Place(parse_endpoint("http://127.0.0.1:9"), "/check"), "sso:", principal="X-User", scopes="X-Scopes",
    copy=("X-User", "X-Team"),
)  # fmt: skip


def answer(status: int = 200, fields: Fields | None = None) -> ReplyHead:
    return ReplyHead(status, "", fields or [])


def test_check_gets_what_the_caller_shows_and_what_is_asked() -> None:
    """Nothing else of the request, and no word of the client's about what it asks."""
    request = a_request(
        "POST",
        "/a?b",
        [("cookie", "c=1"), ("X-Other", "x"), ("X-Forwarded-Uri", "/public"), ("Authorization", "Bearer t")],
    )

    assert question_fields(RULE, request) == [
        ("cookie", "c=1"),
        ("Authorization", "Bearer t"),
        ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "api.example.com"),
        ("X-Forwarded-Uri", "/a?b"),
        ("X-Forwarded-For", "192.0.2.7"),
    ]


def test_client_says_nothing_about_what_is_asked_even_if_its_fields_are_passed() -> None:
    """A check that gets X-Forwarded-Uri twice would choose one of them."""
    rule = ForwardRule("sso", RULE.place, "sso:", fields=("X-Forwarded-Uri", "Cookie"))
    request = a_request(target="/a", fields=[("x-forwarded-uri", "/public")])

    assert [value for name, value in question_fields(rule, request) if name.lower() == "x-forwarded-uri"] == ["/a"]


def test_caller_shows_something_if_one_of_the_fields_is_there() -> None:
    """Without any there is nothing to ask about, where anonymous callers are let in."""
    assert shown(RULE, a_request(fields=[("COOKIE", "")]))
    assert not shown(RULE, a_request(fields=[("X-User", "me")]))


def test_answer_names_the_caller() -> None:
    """With scopes, and what the upstream gets."""
    identity = answered(RULE, answer(204, [("x-user", "alice"), ("X-Scopes", "a, b"), ("X-More", "x")]))

    assert (identity.principal, identity.method, identity.scopes) == ("sso:alice", "forward_auth", {"a", "b"})
    assert identity.claims == {"X-User": "alice"}
    assert answered(ForwardRule("sso", RULE.place, "sso:"), answer()).principal == "sso"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (answer(401), UNAUTHENTICATED),
        (answer(403), FORBIDDEN),
        (answer(302), AUTH_UNAVAILABLE),
        (answer(500), AUTH_UNAVAILABLE),
        (answer(), AUTH_UNAVAILABLE),
        (answer(200, [("X-User", "a b")]), AUTH_UNAVAILABLE),
        (answer(200, [("X-User", "a"), ("X-User", "b")]), AUTH_UNAVAILABLE),
    ],
)
def test_all_but_a_clear_yes_keeps_the_caller_out(head: ReplyHead, kind: Kind) -> None:
    """A check that is broken lets nobody in."""
    with pytest.raises(FailureError) as caught:
        answered(RULE, head)
    assert caught.value.failure.kind is kind


def test_challenge_of_the_check_goes_on_to_the_client() -> None:
    """It knows better than we how callers can show who they are."""
    with pytest.raises(FailureError) as caught:
        answered(RULE, answer(401, [("WWW-Authenticate", 'Bearer realm="sso"'), ("Set-Cookie", "x")]))
    assert caught.value.failure.fields == (("WWW-Authenticate", 'Bearer realm="sso"'),)


@pytest.mark.parametrize("settings", [{"fields": ("Host",)}, {"fields": ()}, {"copy_to_upstream": ("Connection",)}])
def test_fields_about_the_connection_are_not_passed(settings: dict[str, object]) -> None:
    """They would break the request that they are put into."""
    with pytest.raises(ValidationError):
        ForwardSettings.model_validate({"url": "http://127.0.0.1:9/", **settings})
