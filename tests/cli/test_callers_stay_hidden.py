"""What callers share with the gateway is shown by no command."""

from pathlib import Path

from click.testing import CliRunner

from gateway.cli.main import cli

SECRET = "planted-secret-of-more-than-32-octets"
TEXT = f"""
[callers]
key_query = "api_key"
[callers.jwt.login]
issuer = "https://login.example.com/"
audience = "slowgate"
secret = "{SECRET}"
[callers.keys.app]
sha256 = "{"ab" * 32}"
scopes = ["read"]
expires = "2099-01-01"
[callers.certificates.robot]
subject = {{ CN = "robot" }}
[upstreams.a]
endpoints = ["http://127.0.0.1:9"]
auth = {{ any = ["keys", "jwt"] }}
[[routes]]
path = "/"
upstream = "a"
"""


def told(path: Path, *arguments: str) -> str:
    result = CliRunner().invoke(cli, [arguments[0], "-c", str(path), *arguments[1:]])
    return f"{result.output}{result.stderr}{result.exception!r}"


def test_secrets_of_callers_are_masked_and_the_rest_is_shown(tmp_path: Path) -> None:
    """`gateway config` says where each value stands; a key on the command line is not repeated by `gateway explain`."""
    path = tmp_path / "gateway.toml"
    path.write_text(TEXT)

    printed = told(path, "config")
    assert "[callers.jwt.login]" in printed and 'secret = "***"' in printed
    assert 'expires = "2099-01-01T00:00:00Z"' in printed and 'key_query = "api_key"' in printed
    assert 'subject = { CN = "robot" }' in printed
    explained = told(path, "explain", "GET", "/?api_key=my-wrong-key")
    assert "refused with 401 unauthenticated: the key is not known" in explained
    assert 'auth.any = ["keys", "jwt"]' in explained
    asked = told(path, "explain", "GET", "/", "-H", "Authorization: Bearer a.b.c")
    assert "401" in asked
    everything = printed + explained + asked + told(path, "check") + told(path, "explain", "GET", "/")
    assert SECRET not in everything and "abab" not in everything
    assert "my-wrong-key" not in explained.replace("-> GET http://127.0.0.1:9/?api_key=my-wrong-key", "")
