"""Callers known by their TLS certificates, which the listener has verified against `[server.tls] client_ca`."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable
from gateway.exchange.callers import CertificateRule
from gateway.policy.caller_keys import CallerSettings

_LONG_NAMES = {
    "CN": "commonName",
    "O": "organizationName",
    "OU": "organizationalUnitName",
    "C": "countryName",
    "ST": "stateOrProvinceName",
    "L": "localityName",
    "UID": "userId",
    "SERIALNUMBER": "serialNumber",
    "EMAIL": "emailAddress",
}
_KINDS = {"dns": "DNS", "uri": "URI", "email": "email", "ip": "IP Address"}
_SAN = re.compile(r"(dns|uri|email|ip):([!-~]{1,512})", re.IGNORECASE)


def _san(text: str) -> str:
    if not _SAN.fullmatch(text):
        raise Unacceptable('a name such as "dns:app.internal", "uri:spiffe://example/app", "email:…" or "ip:…"')
    return text


AlternativeName = Annotated[str, AfterValidator(_san), Kind("alternative name")]
Attribute = Literal["CN", "O", "OU", "C", "ST", "L", "UID", "SERIALNUMBER", "EMAIL"]


class CertificateSettings(CallerSettings):
    """A caller with a TLS certificate that `[server.tls] client_ca` signed. At least one of both must be said."""

    subject: dict[Attribute, str] = Field(default_factory=dict, examples=[{"CN": "app", "O": "Example"}])
    """Attributes that the certificate's subject must have, each exactly once: CN, O, OU, C, ST, L, UID, SERIALNUMBER,
    EMAIL. Table. Default any."""
    san: AlternativeName | None = Field(default=None, examples=["dns:app.internal"])
    """A name that must be among the alternative ones: "dns:", "uri:", "email:" or "ip:" and the exact name.
    Default any."""

    def rule(self, name: str) -> CertificateRule:
        """Return what the settings mean."""
        san = None
        if self.san is not None and (match := _SAN.fullmatch(self.san)):
            san = (_KINDS[match[1].lower()], match[2])
        subject = tuple((_LONG_NAMES[key], value) for key, value in self.subject.items())
        return CertificateRule(self.known(name), subject, san)


def matching(rules: tuple[CertificateRule, ...], certificate: Mapping[str, Any]) -> CertificateRule | None:
    """Return the first rule that ``certificate``, as ``ssl`` has it, fulfils."""
    subject, names = list(_subject(certificate)), list(certificate.get("subjectAltName", ()))
    return next((rule for rule in rules if _fulfils(rule, subject, names)), None)


def _fulfils(rule: CertificateRule, subject: list[tuple[str, str]], names: list[tuple[str, str]]) -> bool:
    # An attribute that is there twice is nobody's: which of both counts would be a matter of taste.
    said = all([value for name, value in subject if name == wanted] == [expected] for wanted, expected in rule.subject)
    return said and (rule.san is None or any(_same(rule.san, each) for each in names)) and _says_something(rule)


def _says_something(rule: CertificateRule) -> bool:
    return bool(rule.subject) or rule.san is not None


def _same(wanted: tuple[str, str], found: tuple[str, str]) -> bool:
    if wanted[0] == "DNS":
        return found[0] == "DNS" and found[1].lower() == wanted[1].lower()
    return tuple(found) == wanted


def _subject(certificate: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for names in certificate.get("subject", ()):
        yield from names
