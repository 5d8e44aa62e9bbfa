"""What the settings of credentials compile to."""

import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.assemble import read_text
from gateway.exchange.credential import Credential, Credentials
from gateway.policy.credential_settings import CredentialsSettings, split_token_url

HEAD = "[[routes]]\npath = '/'\nupstream = 'up'\n"


def compiled(
    credentials: str, route: str = "", endpoints: str = "['https://a.example']"
) -> tuple[Credentials | None, ...]:
    text = f"{HEAD}{route}\n[upstreams.up]\nendpoints = {endpoints}\n{credentials}\n"
    return read_text(text, "test", directory=Path("/"))[1].routes[0].credentials


def one(credentials: str) -> Credential:
    (found,) = compiled(f"credentials = {credentials}")
    assert found is not None and found.default is not None
    return found.default


@pytest.mark.parametrize(
    ("settings", "fields", "query", "replaces"),
    [
        ('{ bearer = "k" }', (("Authorization", "Bearer k"),), "", {"authorization"}),
        (
            '{ basic = { user = "ü", password = "p:w" } }',
            (("Authorization", "Basic " + base64.b64encode("ü:p:w".encode()).decode()),),
            "",
            {"authorization"},
        ),
        ('{ headers = { X_Api-Key = "a b" } }', (("X_Api-Key", "a b"),), "", {"x-api-key"}),
        ('{ query = { key = "a/b&c" } }', (), "key=a%2Fb%26c", set()),
        ('{ bearer = "k", headers = { X-Org = "o" } }', (("Authorization", "Bearer k"), ("X-Org", "o")), "", None),
    ],
)  # fmt: skip
def test_static_credential_is_made_once(
    settings: str, fields: tuple[tuple[str, str], ...], query: str, replaces: set[str] | None
) -> None:
    """A request costs no more than putting it on."""
    credential = one(settings)
    assert (credential.injected.fields, credential.injected.query, credential.late) == (fields, query, False)
    assert credential.replaces == (replaces if replaces is not None else {"authorization", "x-org"})


def test_signatures_and_tokens_replace_what_a_client_sends_in_their_names() -> None:
    """Also the fields that a signature brings along."""
    aws = '{ sigv4 = { region = "r", service = "s", access_key_id = "a", secret_access_key = "b" } }'
    assert one(aws).replaces == {"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}
    assert one('{ hmac = { key = "k", header = "X_Sig" } }').replaces == {"x-sig"}
    token = '{ oauth2 = { token_url = "https://a.example/t", client_id = "c", client_secret = "s" } }'
    assert (one(token).replaces, one(token).late) == ({"authorization"}, True)


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://a.example/t/", "https://a.example", "/t/"),
        ("https://a.example", "https://a.example", "/"),
        ("http://a.example:81?x=1", "http://a.example:81", "/?x=1"),
        ("HTTPS://A.example/T", "https://a.example", "/T"),
    ],
)
def test_url_of_tokens_is_asked_as_it_is_written(url: str, origin: str, target: str) -> None:
    """Down to its last slash."""
    endpoint, asked = split_token_url(url)
    assert (str(endpoint), asked) == (origin, target)


@pytest.mark.parametrize(
    "url", ["https://user:pw@a.example/t", "https://a.example/t#x", "https://a.example/a b", "ftp://a/t", "https:///t"]
)
def test_url_that_cannot_be_asked_is_refused(url: str) -> None:
    """A password in it would be one more place for a secret."""
    with pytest.raises(ValidationError):
        CredentialsSettings.model_validate({"oauth2": {"token_url": url, "client_id": "c", "client_secret": "s"}})


def test_nearest_table_holds_as_a_whole() -> None:
    """The endpoint's before the route's before the upstream's, and no key of one is mixed with a key of another."""
    endpoints = "['https://a.example', { url = 'https://b.example', credentials = { headers = { X-B = 'b' } } },"
    endpoints += " { url = 'https://c.example', credentials = {} }]"
    upstream = 'credentials = { bearer = "up" }'

    def sent(route: str) -> list[tuple[tuple[str, str], ...] | None]:
        each = compiled(upstream, route, endpoints)
        return [None if one is None or one.default is None else one.default.injected.fields for one in each]

    own = (("X-B", "b"),)
    assert sent("") == [(("Authorization", "Bearer up"),), own, None]
    assert sent('credentials = { headers = { X-R = "r" } }') == [(("X-R", "r"),), own, None]
    assert sent("credentials = {}") == [None, own, None]


def test_without_credentials_a_route_has_none() -> None:
    """Nothing is asked for each request."""
    assert compiled("") == ()
    assert compiled("credentials = {}") == ()
