"""Callers of the tests: issuers with keys, tokens, and routes that ask for them."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gateway.exchange.callers import Auth, Callers, Known, TokenRule
from gateway.exchange.route import Route
from support.exchanges import a_route

ISSUER, AUDIENCE, NOW = "https://login.example.com/", "slowgate", 1_800_000_000.0
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rsa-2"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1"})
OKP = OKPKey.generate_key("Ed25519", {"kid": "okp-1"})
SECRET = "a secret of at least thirty-two octets"


def sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def a_known(name: str = "app", text: str = "the-key", **other: Any) -> Known:
    return Known(name, (sha256(text),), **other)


def callers_with(*known: Known, **other: Any) -> Callers:
    return Callers(keys={digest: each for each in known for digest in each.digests}, **other)


def a_guarded_route(callers: Callers, *ways: str, name: str = "demo", **other: Any) -> Route:
    split = tuple((way.partition(":")[0], way.partition(":")[2]) for way in ways)
    return replace(a_route(name=name), auth=Auth(callers, split, **other))


def a_rule(**other: Any) -> TokenRule:
    values: dict[str, Any] = {
        "name": "login",
        "issuer": ISSUER,
        "audiences": frozenset({AUDIENCE}),
        "algorithms": frozenset({"RS256", "ES256", "EdDSA"}),
        "prefix": "login:",
        **other,
    }
    return TokenRule(**values)


def a_token(key: Any = RSA, alg: str = "RS256", *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a signed token; a claim that is None is left out."""
    values = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": int(NOW) + 600, **claims}
    kid = {} if isinstance(key, OctKey) else {"kid": key.kid}
    head = {name: value for name, value in {"alg": alg, **kid, **(header or {})}.items() if value is not None}
    payload = {name: value for name, value in values.items() if value is not None}
    return jwt.encode(head, payload, key, algorithms=[alg])


def a_set(*keys: Any) -> bytes:
    """Return a JWK set with the public halves of ``keys``."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()
