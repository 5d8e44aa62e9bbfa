"""JSON Web Tokens: who signed one, for whom, until when (RFC 7519, with the practices of RFC 8725).

The configuration pins issuer, audiences and algorithms; the token chooses among them and nothing else. Its header is
read before anything is believed: no ``none``, no ``crit``, and a key only for the algorithms of its own type.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from gateway.config.files import ReadableFile
from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.secrets import Secret
from gateway.config.units import Duration, PositiveDuration
from gateway.exchange.callers import TokenRule
from gateway.exchange.identity import Identity
from gateway.policy.caller_jwks import SECRET_ALGORITHMS, VerifyingKey
from gateway.policy.caller_place import UrlText, place

MOST_CHARACTERS = 16 * 1024
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_VISIBLE = re.compile("[!-~]{1,128}")
_BY_DEFAULT = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
    "HS256", "HS384", "HS512",
]  # fmt: skip


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _prefix(text: str) -> str:
    if not re.fullmatch("[!-~]{0,64}", text):
        raise Unacceptable("at most 64 visible characters")
    return text


Audiences = Annotated[
    tuple[str, ...],
    BeforeValidator(_one_or_more),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
    Kind("string or array of strings"),
]
Prefix = Annotated[str, AfterValidator(_prefix), Kind("string")]


class TokenSettings(Model):
    """An issuer of JSON Web Tokens. One of `jwks`, `keys_file` and `secret` says how its signatures are verified."""

    issuer: str = Field(min_length=1, examples=["https://login.example.com/"])
    """What a token's `iss` must be, character by character. Required."""
    audience: Audiences = Field(min_length=1, examples=["slowgate"])
    """What a token's `aud` must name: one of these. String or array. Required: without it a token for any other service
    of the same issuer would be good here."""
    jwks: UrlText | None = Field(default=None, examples=["https://login.example.com/.well-known/jwks.json"])
    """Where the issuer's keys are fetched: an http or https URL. They are kept, and fetched anew in time.
    Default none."""
    keys_file: ReadableFile | None = Field(default=None, examples=["issuer.pem"])
    """File with the issuer's keys instead: a JWK set, or one public key in PEM. Path, relative to this file.
    Default none."""
    secret: Annotated[Secret, Kind("string")] | None = Field(default=None, examples=["${env:LOGIN_SECRET}"])
    """Secret shared with the issuer instead, at least 32 octets, for the algorithms HS256, HS384 and HS512. Whoever
    knows it can be anybody: a public key is better. Default none."""
    algorithms: tuple[Algorithm, ...] = Field(default=(), examples=[["RS256"]])
    """Algorithms that signatures may have. Array. Default: RS256, PS256, ES256, ES384, EdDSA and Ed25519; with `secret`
    HS256. What is said here must be of the same sort: never both."""
    skew: Duration = 60.0
    """How far the issuer's clock may be from ours. Duration. Default "60s"."""
    require: tuple[str, ...] = Field(default=(), examples=[["sub", "jti"]])
    """Further claims that must be there, besides `iss`, `aud`, `exp` and `principal`'s. Array. Default none."""
    principal: str = Field(default="sub", min_length=1)
    """The claim that names the caller: at most 128 visible characters. Default "sub"."""
    prefix: Prefix | None = Field(default=None, examples=["login:"])
    """What is put before it, so that nobody whom this issuer names is taken for another caller. Default: the name of
    this table and ":"; "" for nothing."""
    typ: str | None = Field(default=None, examples=["at+jwt"])
    """What a token's header must have as `typ`, without "application/". Default: anything."""
    max_age: PositiveDuration = 600.0
    """How long fetched keys are used before they are fetched anew, beside the requests. Duration. Default "10m".
    A key that the issuer takes back is good for so much longer."""
    min_interval: PositiveDuration = 30.0
    """Time between two fetches, however many tokens name keys that are not known. Duration. Default "30s"; at least
    "1s". A new key of the issuer is found after so much time at the latest."""
    max_stale: PositiveDuration = 86_400.0
    """How long keys are good while the issuer cannot be reached; after it requests get 503. Duration. Default "24h"."""
    timeout: PositiveDuration = 5.0
    """Time for a fetch, and for a request to wait for it. Duration. Default "5s"."""
    ca: ReadableFile | None = Field(default=None, examples=["tls/private-ca.pem"])
    """PEM file with the only authorities to trust for `jwks`. Path, relative to this file. Default: the system's."""

    def pinned(self) -> frozenset[str]:
        """Return the algorithms that signatures may have."""
        return frozenset(self.algorithms or (("HS256",) if self.secret is not None else _BY_DEFAULT))

    def rule(self, name: str) -> TokenRule:
        """Return what the settings mean; reads the file of the keys."""
        text = ""
        if self.keys_file is not None:
            with open(self.keys_file, encoding="utf-8") as file:
                text = file.read()
        return TokenRule(
            name=name,
            issuer=self.issuer,
            audiences=frozenset(self.audience),
            algorithms=self.pinned(),
            prefix=f"{name}:" if self.prefix is None else self.prefix,
            skew_seconds=self.skew,
            required=self.require,
            principal=self.principal,
            typ=None if self.typ is None else self.typ.lower(),
            jwks=None if self.jwks is None else place(self.jwks, self.ca, self.timeout),
            keys_text=text,
            secret="" if self.secret is None else self.secret.reveal(),
            max_age_seconds=self.max_age,
            min_interval_seconds=max(self.min_interval, 1.0),
            max_stale_seconds=self.max_stale,
        )


class InvalidToken(ValueError):
    """Why a token is not good, in words that never repeat it."""


class OtherIssuer(InvalidToken):
    """A token of somebody else, which another rule may be about."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it says it is. Nothing of it may be believed before `verified`."""

    alg: str
    kid: str | None
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def looks_like_one(text: str) -> bool:
    """Say whether ``text`` has the form of a signed token: three parts."""
    return len(text) <= MOST_CHARACTERS and _SHAPE.fullmatch(text) is not None


def parsed(rule: TokenRule, text: str) -> Token:
    """Return the parts of a token for which ``rule`` may be the right one; raise `InvalidToken` where it is not."""
    if not looks_like_one(text):
        raise InvalidToken("the token is not a signed JWT")
    signed, _, signature = text.rpartition(".")
    first, _, second = signed.partition(".")
    header, claims = _object(first), _object(second)
    if claims.get("iss") != rule.issuer:
        raise OtherIssuer("the token is not of the issuer that is expected")
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(alg, str) or alg not in rule.algorithms:
        raise InvalidToken("the token's algorithm is not one of those that are expected")
    if "crit" in header or "b64" in header:
        raise InvalidToken("the token's header has critical extensions")
    if kid is not None and not isinstance(kid, str):
        raise InvalidToken("the token's header is malformed")
    if rule.typ is not None and (not isinstance(typ, str) or typ.lower().removeprefix("application/") != rule.typ):
        raise InvalidToken("the token is not of the type that is expected")
    return Token(alg, kid, claims, signed.encode(), _octets(signature))


def verified(rule: TokenRule, token: Token, key: VerifyingKey | None, now: float) -> Identity:
    """Return who holds ``token`` at ``now`` (seconds since 1970); raise `InvalidToken` where it is not good."""
    if key is None or not key.fits(token.alg):
        raise InvalidToken("the token is signed with a key that is not known")
    from joserfc.jws import JWSRegistry

    try:
        good = JWSRegistry.algorithms[token.alg].verify(token.signed, token.signature, key.key)
    except Exception:  # A signature of the wrong length and the like: the library has no one kind of error for it.
        good = False
    if good is not True:
        raise InvalidToken("the token's signature is wrong")
    return _identity(rule, token.claims, now)


def _identity(rule: TokenRule, claims: Mapping[str, Any], now: float) -> Identity:
    for name in ("exp", *rule.required):
        if claims.get(name) is None:
            raise InvalidToken(f"the token lacks a claim that is required: {name}")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(each, str) and each in rule.audiences for each in named):
        raise InvalidToken("the token is meant for somebody else")
    if now - rule.skew_seconds >= _moment(claims, "exp"):
        raise InvalidToken("the token has expired")
    if any(now + rule.skew_seconds < _moment(claims, name) for name in ("nbf", "iat") if claims.get(name) is not None):
        raise InvalidToken("the token is not valid yet")
    principal = claims.get(rule.principal)
    if not isinstance(principal, str) or not principal or not _VISIBLE.fullmatch(f"{rule.prefix}{principal}"):
        raise InvalidToken(f"the token's {rule.principal} names nobody")
    return Identity(f"{rule.prefix}{principal}", "jwt", _scopes(claims), claims)


def _moment(claims: Mapping[str, Any], name: str) -> int | float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(_bounded(value)):
        raise InvalidToken(f"the token's {name} is not a time")
    return value


def _bounded(value: int | float) -> float:
    return value if isinstance(value, float) else 0.0


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return what a token allows: ``scope`` (RFC 8693 section 4.2), else ``scp``, as text or as an array."""
    said = claims.get("scope", claims.get("scp"))
    if isinstance(said, str):
        return frozenset(said.split(" ")) - {""}
    return frozenset(each for each in said if isinstance(each, str)) if isinstance(said, list) else frozenset()


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(_octets(part))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidToken("the token cannot be read")
    return found


def _octets(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise InvalidToken("the token cannot be read") from None


def wants_secret(algorithm: str) -> bool:
    """Say whether ``algorithm`` works with a secret that both sides know."""
    return algorithm in SECRET_ALGORITHMS
