"""Who may do what on the admin listener: what the settings say, and the rights that follow for one request."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

READ, CONTROL = "read", "control"
RIGHTS = frozenset({READ, CONTROL})
_LONGEST_TOKEN = 4096
"""Octets of a token that are looked at; longer ones are unknown."""


@dataclass(frozen=True, slots=True)
class AdminToken:
    """One bearer token, kept as its digest only."""

    name: str
    """What logs call its holder."""
    sha256: bytes
    rights: frozenset[str]


@dataclass(frozen=True, slots=True)
class Access:
    """What the admin listener asks of its callers."""

    tokens: tuple[AdminToken, ...] = ()
    certificates: bool = False
    """Whether every connection shows a certificate of the configured authorities; it may then read."""
    control_names: frozenset[str] = frozenset()
    """Names in certificates that may control, too."""
    hosts: frozenset[str] | None = frozenset()
    """Lower-case names that ``Host`` may hold besides addresses and localhost; None where it does not matter."""

    @property
    def asks(self) -> bool:
        """Whether callers must show something; otherwise reaching the listener is enough."""
        return bool(self.tokens) or self.certificates

    def holder(self, authorization: str) -> AdminToken | None:
        """Return the token that the ``Authorization`` field shows, or None.

        It is shown as a bearer token (RFC 6750 section 2.1) or, as browsers ask people, as the password of any user
        (RFC 7617). All digests are compared, each in constant time: how long it takes tells nothing about any of them.
        """
        shown = _shown(authorization)
        if shown is None:
            return None
        digest = hashlib.sha256(shown).digest()
        found = None
        for token in self.tokens:
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found


def _shown(authorization: str) -> bytes | None:
    """Return the token in an ``Authorization`` field; None where there is none, or one that is too long."""
    scheme, _, credentials = authorization.partition(" ")
    if len(credentials) > 2 * _LONGEST_TOKEN:
        return None
    shown = credentials.strip(" ").encode("utf-8", "surrogateescape")
    if scheme.lower() == "basic":
        try:
            _, colon, shown = base64.b64decode(shown, validate=True).partition(b":")
        except binascii.Error:
            return None
        if not colon:
            return None
    elif scheme.lower() != "bearer":
        return None
    return shown if len(shown) <= _LONGEST_TOKEN else None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks on the admin listener, and what they may do."""

    name: str
    """What logs call them; empty where nothing was shown that is known."""
    rights: frozenset[str]


def caller(access: Access, authorization: str | None, names: Iterable[str] | None) -> Caller:
    """Return who asks.

    ``authorization`` is the field as it came, None without one; ``names`` those of a verified client certificate, None
    without one. The rights of both add up; where nothing is asked everybody has all.
    """
    if not access.asks:
        return Caller("anyone", RIGHTS)
    name, rights = "", frozenset[str]()
    if access.certificates and names is not None:
        known = sorted(names)
        name = known[0] if known else "a certificate without a name"
        rights |= RIGHTS if access.control_names.intersection(known) else {READ}
    token = access.holder(authorization) if authorization is not None else None
    if token is not None:
        name, rights = token.name, rights | token.rights
    return Caller(name, rights)


def certificate_names(certificate: Mapping[str, Any] | None) -> frozenset[str] | None:
    """Return the names in a client's certificate as `ssl` shows it; None without a verified one.

    Those are its alternative names (DNS, URI, email, IP address), or where it has none its common names
    (RFC 9525 section 2: a common name counts for nothing beside them).
    """
    if not certificate:
        return None
    alternative = frozenset(value for _, value in certificate.get("subjectAltName", ()))
    if alternative:
        return alternative
    subject = certificate.get("subject", ())
    return frozenset(value for part in subject for key, value in part if key == "commonName")
