"""What an attempt asks for."""

from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.policy.target import hooks


def test_attempt_asks_for_the_rewritten_path_below_its_endpoint() -> None:
    """Prefix, rewrite and base path meet, and the query goes along."""
    prepare, attempt = hooks(a_route("/demo", strip_prefix="/demo", rewrite="/v1")).prepare, an_attempt()
    assert prepare is not None

    prepare(an_exchange(a_request(target="/demo/a%2Fb?x=1&")), attempt)

    assert attempt.target == "/base/v1/a%2Fb?x=1&"
