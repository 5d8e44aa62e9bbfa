"""Paths that would leave their route."""

import pytest
from support.exchanges import a_request, a_route, an_exchange

from gateway.exchange.failure import TARGET_REFUSED, FailureError
from gateway.policy.safe_target import hooks


@pytest.mark.parametrize(
    "target", ["/demo/../x", "/demo/..", "/demo/a/../../x", "/demo/..%2fx?y", "/demo//../x", "/%64emo/%2e%2e/x"]
)
def test_target_that_leaves_the_prefix_of_its_route_is_refused(target: str) -> None:
    """No client reaches what lies beside the prefix."""
    admit = hooks(a_route("/demo/")).admit
    assert admit is not None

    with pytest.raises(FailureError) as caught:
        admit(an_exchange(a_request(target=target)))

    assert caught.value.failure.kind is TARGET_REFUSED


@pytest.mark.parametrize("target", ["/demo", "/demo/", "/demo/a/../b", "/demo?x=/../../", "/demo/a%2fb", "*"])
def test_target_that_stays_inside_is_admitted(target: str) -> None:
    """Dot segments inside, and anything in the query, are the upstream's business."""
    admit = hooks(a_route("/demo/")).admit
    assert admit is not None

    assert admit(an_exchange(a_request(target=target))) is None
