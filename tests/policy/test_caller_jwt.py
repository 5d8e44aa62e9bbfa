"""Tokens: every way to be not good, and what a good one says."""

import base64
import hmac
import json
from typing import Any

import pytest
from joserfc.jwk import OctKey
from support.callers import EC, NOW, OKP, OTHER_RSA, RSA, SECRET, a_rule, a_set, a_token

from gateway.exchange.callers import TokenRule
from gateway.exchange.identity import Identity
from gateway.policy.caller_jwks import key_of_secret, keys_of_set
from gateway.policy.caller_jwt import InvalidToken, TokenSettings, looks_like_one, parsed, verified

KEYS = keys_of_set(a_set(RSA, EC, OKP))


def judged(text: str, rule: TokenRule | None = None, now: float = NOW) -> Identity:
    rule = rule or a_rule()
    token = parsed(rule, text)
    return verified(rule, token, KEYS.find(token.kid, token.alg), now)


def forged(header: dict[str, Any], claims: dict[str, Any] | None = None, signature: bytes = b"") -> str:
    """Return a token with any header, signed by nobody."""
    payload = {"iss": a_rule().issuer, "aud": "slowgate", "sub": "alice", "exp": NOW + 60, **(claims or {})}
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (EC, "ES256")])
def test_good_token_says_who_asks(key: Any, alg: str) -> None:
    """Principal with the issuer's prefix, scopes, and all claims."""
    identity = judged(a_token(key, alg, scope="read write", team="search"))

    assert (identity.principal, identity.method) == ("login:alice", "jwt")
    assert identity.scopes == {"read", "write"}
    assert identity.claims["team"] == "search"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_edwards_curves_are_verified_too() -> None:
    """Issuers still write EdDSA."""
    assert judged(a_token(OKP, "EdDSA")).principal == "login:alice"


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [({"scp": ["a", "b", 1]}, {"a", "b"}), ({"scp": "a b"}, {"a", "b"}), ({"scope": 7}, set()), ({}, set())],
)
def test_scopes_are_text_or_array(claims: dict[str, Any], scopes: set[str]) -> None:
    """What is neither allows nothing."""
    assert judged(a_token(**claims)).scopes == scopes


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example/"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "other"}, "somebody else"),
        ({"aud": None}, "somebody else"),
        ({"aud": ["x", 1]}, "somebody else"),
        ({"exp": None}, "required: exp"),
        ({"exp": int(NOW) - 61}, "expired"),
        ({"exp": "never"}, "not a time"),
        ({"exp": True}, "not a time"),
        ({"exp": float("nan")}, "not a time"),
        ({"nbf": int(NOW) + 61}, "not valid yet"),
        ({"iat": int(NOW) + 61}, "not valid yet"),
        ({"sub": None}, "names nobody"),
        ({"sub": ""}, "names nobody"),
        ({"sub": "two words"}, "names nobody"),
        ({"sub": "x" * 128}, "names nobody"),
        ({"sub": 7}, "names nobody"),
    ],
)
def test_token_that_is_not_for_us_or_not_now_is_refused(claims: dict[str, Any], why: str) -> None:
    """The words say why and never repeat the token."""
    with pytest.raises(InvalidToken, match=why):
        judged(a_token(**claims))


@pytest.mark.parametrize(
    "claims", [{"exp": int(NOW) - 59}, {"nbf": int(NOW) + 59}, {"exp": 10**400}, {"aud": ["x", "slowgate"]}]
)
def test_clocks_may_differ_by_the_skew(claims: dict[str, Any]) -> None:
    """Expired a little while ago, valid in a little while: that is two clocks, not two minds."""
    assert judged(a_token(**claims)).principal == "login:alice"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, "HS256", "RS512"])
@pytest.mark.parametrize("signature", [b"", b"x" * 32])
def test_algorithm_that_is_not_pinned_is_refused(alg: str | None, signature: bytes) -> None:
    """Unsigned tokens, and those that want their public key used as a secret."""
    with pytest.raises(InvalidToken, match="algorithm"):
        judged(forged({"alg": alg, "kid": "rsa-1"}, signature=signature))


def test_good_signature_of_an_algorithm_that_is_not_pinned_is_refused() -> None:
    """The issuer's key alone is not enough."""
    with pytest.raises(InvalidToken, match="algorithm"):
        judged(a_token(RSA, "RS512"))


def test_public_key_is_never_used_as_a_secret() -> None:
    """HS256 signed with the public key, in PEM and as a set: refused even by a rule that pinned both sorts."""
    rule = a_rule(algorithms=frozenset({"RS256", "HS256"}))
    for public in (RSA.as_pem(private=False), a_set(RSA), RSA.as_dict(private=False)["n"].encode()):
        signed = forged({"alg": "HS256", "kid": "rsa-1"}).removesuffix(".")
        signature = hmac.digest(public, signed.encode(), "sha256")
        text = f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
        with pytest.raises(InvalidToken, match="key that is not known"):
            judged(text, rule)


def test_key_of_another_type_than_the_algorithm_is_refused() -> None:
    """Whoever calls with the wrong key gets a refusal, not a verification."""
    token = parsed(a_rule(), a_token())

    with pytest.raises(InvalidToken, match="key that is not known"):
        verified(a_rule(), token, key_of_secret(SECRET).find(None, "HS256"), NOW)


@pytest.mark.parametrize("header", [{"crit": ["b64"]}, {"b64": False}, {"crit": []}, {"kid": 7}, {"kid": ["rsa-1"]}])
def test_header_with_more_meaning_than_we_know_is_refused(header: dict[str, Any]) -> None:
    """RFC 7515 section 4.1.11: what must be understood and is not makes the token invalid."""
    with pytest.raises(InvalidToken, match=r"critical extensions|malformed"):
        judged(forged({"alg": "RS256", "kid": "rsa-1", **header}))


def test_signature_of_another_key_or_of_other_words_is_refused() -> None:
    """One changed claim, one changed octet, another key with the same id, no signature at all."""
    head, body, signature = a_token().split(".")
    _, admin, _ = a_token(sub="admin").split(".")
    stranger = a_token(OTHER_RSA, header={"kid": "rsa-1"})
    for text in (f"{head}.{admin}.{signature}", f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}.", stranger):
        with pytest.raises(InvalidToken, match="signature is wrong"):
            judged(text)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "a.b.c", "!.b.c", "e30.e30.", "W10.W10.x", "a" * 20_000])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """Whatever comes, the answer is one kind of error."""
    with pytest.raises(InvalidToken):
        judged(text)


def test_type_is_compared_where_it_is_asked_for() -> None:
    """An access token is no id token (RFC 9068 section 4)."""
    rule = a_rule(typ="at+jwt")
    assert judged(a_token(header={"typ": "application/AT+JWT"}), rule).principal == "login:alice"
    with pytest.raises(InvalidToken, match="type"):
        judged(a_token(header={"typ": "JWT"}), rule)


def test_required_claims_and_the_claim_of_the_principal_are_configured() -> None:
    """A machine's token may name its client and not a subject."""
    rule = a_rule(required=("jti",), principal="azp", prefix="")
    assert judged(a_token(jti="1", azp="robot"), rule).principal == "robot"
    with pytest.raises(InvalidToken, match="required: jti"):
        judged(a_token(azp="robot"), rule)


def test_shared_secret_verifies_what_it_signed() -> None:
    """With a secret of its own, and only then, HS256 is good."""
    rule = a_rule(algorithms=frozenset({"HS256"}), secret=SECRET)
    token = parsed(rule, a_token(OctKey.import_key(SECRET), "HS256"))

    assert verified(rule, token, key_of_secret(SECRET).find(None, "HS256"), NOW).principal == "login:alice"


def test_form_of_a_token_is_three_parts() -> None:
    """What has another form is a key, or nothing."""
    assert looks_like_one(a_token())
    assert not looks_like_one("sgk_abc")


def test_algorithms_are_of_one_sort_by_default() -> None:
    """Public keys never verify with an algorithm for secrets, and the other way round."""
    public = {"issuer": "i", "audience": "a", "jwks": "https://x/"}
    assert not any(alg.startswith("HS") for alg in TokenSettings.model_validate(public).pinned())
    secret = {"issuer": "i", "audience": "a", "secret": SECRET}
    settings = TokenSettings.model_validate(secret)
    assert settings.pinned() == {"HS256"}
    assert SECRET not in repr(settings)
    assert settings.rule("login").prefix == "login:"
