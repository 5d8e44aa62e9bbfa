"""How large a request may be."""

from dataclasses import replace

import pytest
from support.exchanges import a_request, a_route, an_exchange

from gateway.exchange.failure import BODY_TOO_LARGE, MEDIA_TYPE_REFUSED, FailureError
from gateway.exchange.message import Fields
from gateway.policy.request_limits import hooks


def test_announced_body_above_the_limit_is_refused() -> None:
    """It is refused before an octet is read, with both numbers."""
    admit = hooks(a_route(max_request_body=10)).admit
    assert admit is not None

    with pytest.raises(FailureError) as caught:
        admit(an_exchange(a_request("POST", body_length=11)))

    assert caught.value.failure.kind is BODY_TOO_LARGE
    assert caught.value.failure.detail == "11 octets announced, 10 allowed"


@pytest.mark.parametrize("length", [0, 10, None])
def test_body_within_the_limit_or_of_unknown_length_is_admitted(length: int | None) -> None:
    """The limit itself is allowed; a chunked body is counted while it is read."""
    admit = hooks(a_route(max_request_body=10)).admit
    assert admit is not None

    assert admit(an_exchange(a_request("POST", body_length=length))) is None


def test_limit_of_zero_is_a_limit() -> None:
    """Zero means no body at all, not any."""
    admit = hooks(a_route(max_request_body=0)).admit
    assert admit is not None

    with pytest.raises(FailureError):
        admit(an_exchange(a_request("POST", body_length=1)))


def test_route_without_limit_has_nothing_to_ask() -> None:
    """No hook costs nothing."""
    assert hooks(a_route()).admit is None


JSON_OR_TEXT = replace(a_route(), content_types=("application/json", "text/*", "image/*+xml"))


@pytest.mark.parametrize(
    ("fields", "length", "taken"),
    [
        ([("Content-Type", "application/json")], 5, True),
        ([("content-type", "Application/JSON ; charset=utf-8")], None, True),
        ([("Content-Type", "text/csv")], 5, True),
        ([("Content-Type", "image/svg+xml")], 5, True),
        ([("Content-Type", "image/png")], 5, False),
        ([("Content-Type", "application/xml")], 5, False),
        ([("Content-Type", "application/json, text/plain")], 5, False),
        ([("Content-Type", "text")], 5, False),
        ([("Content-Type", "")], 5, False),
        ([], 5, False),
        ([], None, False),
        ([], 0, True),
        ([("Content-Type", "application/xml")], 0, True),
    ],
)
def test_body_of_a_type_that_is_not_listed_is_refused(fields: Fields, length: int | None, taken: bool) -> None:
    """One without a type too; a request without a body is asked for none."""
    admit = hooks(JSON_OR_TEXT).admit
    assert admit is not None
    exchange = an_exchange(a_request("POST", fields=fields, body_length=length))
    if taken:
        assert admit(exchange) is None
        return
    with pytest.raises(FailureError) as caught:
        admit(exchange)
    assert caught.value.failure.kind is MEDIA_TYPE_REFUSED


@pytest.mark.parametrize(
    ("method", "names"),
    [("PUT", ["Accept"]), ("POST", ["Accept", "Accept-Post"]), ("PATCH", ["Accept", "Accept-Patch"])],
)
def test_refusal_tells_which_types_are_taken(method: str, names: list[str]) -> None:
    """As RFC 9110 section 15.5.16 and RFC 5789 section 3.1 have it."""
    admit = hooks(JSON_OR_TEXT).admit
    assert admit is not None
    with pytest.raises(FailureError) as caught:
        admit(an_exchange(a_request(method, body_length=5)))
    assert caught.value.failure.fields == tuple((name, "application/json, text/*, image/*+xml") for name in names)
