"""What the configuration declares about callers, compiled."""

from gateway.exchange.callers import KEYS, MTLS, Auth, Callers, TokenRule


def test_way_is_had_whatever_rule_it_names() -> None:
    """A route that takes tokens of one issuer takes tokens."""
    auth = Auth(Callers(), (("jwt", "login"), ("keys", "")))

    assert auth.has("jwt") and auth.has(KEYS)
    assert not auth.has(MTLS)


def test_rule_of_an_issuer_does_not_show_its_secret() -> None:
    """Rules stand in tracebacks; what they hold does not."""
    rule = TokenRule("a", "i", frozenset(), frozenset(), "", keys_text="hidden", secret="hidden")

    assert "hidden" not in repr(rule)
