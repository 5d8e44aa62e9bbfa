"""How large a request may be."""

import pytest
from support.exchanges import a_request, a_route, an_exchange

from gateway.exchange.failure import BODY_TOO_LARGE, FailureError
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
