"""Public keys of an issuer: what a set of them holds, which one a token means, and when to fetch the set anew. Pure.

Keys are fetched by somebody else, once for all who wait. However many tokens name keys that nobody knows, a set is
fetched no more often than ``min_interval``; while the issuer cannot be reached, the keys from before are good.
"""

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gateway.exchange.callers import TokenRule

MOST_KEYS = 64
"""Of a set; more are left out."""
LEAST_RSA_BITS = 2048
_FIRST_RETRY_SECONDS = 5.0
_PUBLIC = frozenset({"kty", "n", "e", "crv", "x", "y"})
_CURVES = {
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
    "Ed25519": ("OKP", ("Ed25519",)),
}
SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
PUBLIC_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", *_CURVES)


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A key and what it may be used for."""

    kid: str | None
    kty: str
    """``RSA``, ``EC``, ``OKP`` or, for a shared secret, ``oct``."""
    crv: str
    alg: str | None
    key: Any
    """The library's."""

    def fits(self, alg: str) -> bool:
        """Say whether tokens signed with ``alg`` can be verified with it: its type decides, never the token."""
        if self.alg is not None and self.alg != alg:
            return False
        if alg in SECRET_ALGORITHMS:
            return self.kty == "oct"
        if alg in _CURVES:
            kty, curves = _CURVES[alg]
            return self.kty == kty and self.crv in curves
        return alg in PUBLIC_ALGORITHMS and self.kty == "RSA"


class Keys:
    """The keys of one issuer."""

    def __init__(self, keys: Iterable[VerifyingKey] = ()) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, kid: str | None, alg: str) -> VerifyingKey | None:
        """Return the key that a token with ``kid`` and ``alg`` means.

        A token without ``kid`` means the only key that fits; where several do, it means none.
        """
        fitting = [key for key in self._keys if key.fits(alg) and (kid is None or key.kid == kid)]
        if kid is None and len(fitting) > 1:
            return None
        return fitting[0] if fitting else None


def keys_of_set(text: str | bytes) -> Keys:
    """Return the public keys in a JWK set (RFC 7517 section 5): those for signatures whose kind we know.

    Secrets in it are left out, whatever it says. Raises ValueError where nothing is left.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("no JWK set: not JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError('no JWK set: it has no "keys"')
    found = [key for each in listed[:MOST_KEYS] if isinstance(each, dict) and (key := _public_key(each)) is not None]
    if not found:
        raise ValueError("the JWK set has no public key that could verify a token")
    return Keys(found)


def keys_of_text(text: str) -> Keys:
    """Return the keys of a JWK set, or the one public key in PEM; raise ValueError where it is neither."""
    if not text.lstrip().startswith("-----BEGIN "):
        return keys_of_set(text)
    if "PRIVATE KEY" in text:
        raise ValueError("this is a private key; only the public one is needed here")
    from joserfc import jwk

    for kind in (jwk.RSAKey, jwk.ECKey, jwk.OKPKey):
        try:
            key = kind.import_key(text)
        except Exception:  # noqa: S112 - the library has no one kind of error for a key of another type
            continue
        found = _public_key(key.as_dict(private=False))
        if found is not None:
            return Keys([found])
    raise ValueError("no public key in PEM that could verify a token")


def key_of_secret(secret: str) -> Keys:
    """Return the key that a shared secret is."""
    from joserfc.jwk import OctKey

    return Keys([VerifyingKey(None, "oct", "", None, OctKey.import_key(secret))])


def _public_key(said: dict[str, Any]) -> VerifyingKey | None:
    """Return the key that one member of a set describes, or None where it is of no use."""
    from joserfc import jwk

    kinds: dict[str, Any] = {"RSA": jwk.RSAKey, "EC": jwk.ECKey, "OKP": jwk.OKPKey}
    kty, kid, alg = said.get("kty"), said.get("kid"), said.get("alg")
    operations = said.get("key_ops", ["verify"])
    if kty not in kinds or said.get("use", "sig") != "sig" or not isinstance(operations, list):
        return None
    if "verify" not in operations or not isinstance(kid, str | None) or not isinstance(alg, str | None):
        return None
    try:
        if kty == "RSA" and _bits(said.get("n")) < LEAST_RSA_BITS:
            return None
        key = kinds[kty].import_key({name: value for name, value in said.items() if name in _PUBLIC})
        key.public_key  # noqa: B018 - a wrong point or number shows here, not at the first token
    except Exception:  # As above; one bad key does not spoil the others.
        return None
    return VerifyingKey(kid, kty, str(said.get("crv", "")), alg, key)


def _bits(number: object) -> int:
    if not isinstance(number, str):
        return 0
    try:
        octets = base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))
    except (binascii.Error, ValueError):
        return 0
    return int.from_bytes(octets).bit_length()


class Want(Enum):
    """What a token needs of the set before it can be verified."""

    NOTHING = "nothing"
    """The keys that are there decide."""
    REFRESH = "refresh"
    """The keys that are there decide, but it is time to fetch them anew."""
    WAIT = "wait"
    """It has to wait for a fetch."""
    UNAVAILABLE = "unavailable"
    """There are no keys, and it is too early to try again."""


class KeyCache:
    """The fetched keys of one issuer: how old they are, and when they were last asked for."""

    def __init__(self, rule: TokenRule) -> None:
        self.rule = rule
        self.keys = Keys()
        self.fault: str | None = None
        """Why the last fetch brought nothing; None where it brought keys."""
        self._fetched: float | None = None
        self._tried: float | None = None
        self._fetching = False

    def wants(self, kid: str | None, alg: str, now: float) -> Want:
        """Return what a token needs that names ``kid`` and ``alg``."""
        rule = self.rule
        usable = self._fetched is not None and now - self._fetched < rule.max_stale_seconds
        if self._fetching:
            return Want.NOTHING if usable and self.keys.find(kid, alg) is not None else Want.WAIT
        since = None if self._tried is None else now - self._tried
        if not usable:
            again = min(rule.min_interval_seconds, _FIRST_RETRY_SECONDS)
            return Want.WAIT if since is None or since >= again else Want.UNAVAILABLE
        if since is not None and since < rule.min_interval_seconds:
            return Want.NOTHING
        if self.keys.find(kid, alg) is None:
            return Want.WAIT
        assert self._fetched is not None
        return Want.REFRESH if now - self._fetched >= rule.max_age_seconds else Want.NOTHING

    def begin(self, now: float) -> None:
        """Note that a fetch begins."""
        self._fetching, self._tried = True, now

    def end(self, octets: bytes | None, fault: str | None, now: float) -> str | None:
        """Take what a fetch brought, or why it brought nothing; return the fault, also one of what it brought."""
        self._fetching = False
        if octets is not None:
            try:
                self.keys, self._fetched = keys_of_set(octets), now
            except ValueError as error:
                fault = str(error)
        self.fault = fault
        return fault
