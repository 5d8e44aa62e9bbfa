"""What the gateway itself asks, for tokens, keys and checks: it goes where it is told, and nowhere else."""

import pytest

from gateway.exchange.callers import Place
from gateway.exchange.credential import TokenSource
from gateway.exchange.failure import ADDRESS_REFUSED, FailureError
from gateway.exchange.target import Endpoint, parse_endpoint
from gateway.upstream.consulting import consulted, fetched, upstream_of
from gateway.upstream.opening import Opener
from gateway.upstream.token import fetch_token, token_opener

METADATA = ("http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://[fe80::1]")


def ask_for_token(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint, "/token", "gateway", "sk-client")
    fetch_token(token_opener(source), source)


def ask_for_keys(endpoint: Endpoint) -> None:
    place = Place(endpoint, "/keys")
    try:
        fetched(Opener(upstream_of(place)), place)
    except ValueError as error:
        assert isinstance(error.__cause__, FailureError)
        raise error.__cause__ from None


def ask_a_check(endpoint: Endpoint) -> None:
    place = Place(endpoint, "/check")
    consulted(Opener(upstream_of(place)), place, [])


@pytest.mark.parametrize("url", METADATA)
@pytest.mark.parametrize("ask", [ask_for_token, ask_for_keys, ask_a_check])
def test_no_question_goes_to_the_metadata_of_a_cloud(ask: object, url: str) -> None:
    """Whatever a name in the configuration resolves to: there is no setting that would allow it here."""
    with pytest.raises(FailureError) as caught:
        ask(parse_endpoint(url))  # type: ignore[operator]
    assert caught.value.failure.kind is ADDRESS_REFUSED
