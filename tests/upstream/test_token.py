"""The request for a token, octet for octet, and what is made of any answer."""

import base64
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from conftest import StartUpstream
from support.certificates import TlsFiles
from support.scripted_upstream import read_request, response

from gateway.exchange.credential import TokenSource
from gateway.exchange.failure import CREDENTIALS_UNAVAILABLE, FailureError
from gateway.exchange.target import parse_endpoint
from gateway.upstream.token import fetch_token, token_in, token_opener

SECRET = "s:cr t/ü"
GOOD = response(b'{"access_token":"sk-token","token_type":"bearer","expires_in":60}')


def source_at(url: str, **settings: object) -> TokenSource:
    return replace(TokenSource(parse_endpoint(url), "/oauth2/token?x=1", "my id", SECRET), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("in_body", [False, True])
def test_form_and_client_are_sent_as_the_standard_says(
    scripted_upstream: StartUpstream, in_body: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client in the Authorization field, each part form-encoded, or in the form; proxies of the environment do
    not matter."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    upstream = scripted_upstream([read_request, GOOD])
    source = source_at(upstream.url, scope="a b", audience="https://api.example", in_body=in_body)

    assert fetch_token(token_opener(source), source) == ("sk-token", 60.0)

    (request,) = upstream.requests
    assert request.request_line == "POST /oauth2/token?x=1 HTTP/1.1"
    form = {"grant_type": "client_credentials", "scope": "a b", "audience": "https://api.example"}
    if in_body:
        form |= {"client_id": "my id", "client_secret": SECRET}
        assert request.all("authorization") == []
    else:
        (value,) = request.all("authorization")
        assert base64.b64decode(value.removeprefix("Basic ")).decode() == "my+id:s%3Acr+t%2F%C3%BC"
    assert dict(parse_qsl(request.body.decode(), strict_parsing=True)) == form
    assert request.all("content-type") == ["application/x-www-form-urlencoded"]


@pytest.mark.parametrize(
    ("body", "lifetime"),
    [
        (b'{"access_token":"t"}', 300),
        (b'{"access_token":"t","expires_in":"90"}', 90),
        (b'{"access_token":"t","expires_in":0.5}', 0.5),
        (b'{"access_token":"t","expires_in":-1}', 300),
        (b'{"access_token":"t","expires_in":true}', 300),
        (b'{"access_token":"t","expires_in":null}', 300),
        (b'{"access_token":"t","expires_in":NaN}', 300),
        (b'{"access_token":"t","expires_in":1e99}', 30 * 24 * 3600),
    ],
)
def test_lifetime_is_what_the_answer_says_where_it_makes_sense(body: bytes, lifetime: float) -> None:
    """Five minutes otherwise."""
    assert token_in(200, body) == ("t", lifetime)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, b"sk-secret", "no usable access_token"),
        (200, b'["sk-secret"]', "no usable access_token"),
        (200, b'{"access_token":"sk-secret\\r\\nX: 1"}', "no usable access_token"),
        (200, b'{"access_token":"sk secret"}', "no usable access_token"),
        (200, b'{"access_token":""}', "no usable access_token"),
        (200, b'{"access_token":5}', "no usable access_token"),
        (200, b'{"access_token":"' + b"s" * 20000 + b'"}', "no usable access_token"),
        (200, b'{"access_token":"sk-secret","token_type":"mac"}', "another type"),
        (200, b"[" * 50000, "no usable access_token"),
        (401, b'{"error":"invalid_client","error_description":"sk-secret"}', "answered 401 invalid_client"),
        (400, b'{"error":"sk-secret"}', "answered 400"),
        (302, b"sk-secret", "answered 302"),
        (500, b"\xff", "answered 500"),
    ],
)
def test_answer_without_a_token_says_what_it_was_and_repeats_nothing(status: int, body: bytes, why: str) -> None:
    """Only registered codes are told: the detail goes to clients."""
    with pytest.raises(FailureError, match=why) as raised:
        token_in(status, body)
    assert raised.value.failure.kind is CREDENTIALS_UNAVAILABLE
    assert "sk" not in str(raised.value)


def test_endless_answer_is_cut(scripted_upstream: StartUpstream) -> None:
    """An issuer cannot fill the memory."""
    upstream = scripted_upstream([read_request, b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 70000])
    source = source_at(upstream.url)
    with pytest.raises(FailureError, match="larger than 65536 octets"):
        fetch_token(token_opener(source), source)


def test_issuer_is_verified_by_its_own_authorities(scripted_upstream: StartUpstream, tls_files: TlsFiles) -> None:
    """The secret goes to nobody else."""
    upstream = scripted_upstream([read_request, GOOD], tls=tls_files.server_context())
    source = source_at(upstream.url, ca=str(tls_files.ca))
    assert fetch_token(token_opener(source), source)[0] == "sk-token"
    for ca in (str(tls_files.other_ca), None):
        other = replace(source, ca=ca)
        with pytest.raises(FailureError, match="tls_untrusted"):
            fetch_token(token_opener(other), other)
    with pytest.raises(ValueError, match="not a readable bundle"):
        token_opener(replace(source, ca="/nonexistent.pem"))
