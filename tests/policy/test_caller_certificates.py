"""Certificates: which rule one fulfils."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.exchange.callers import CertificateRule, Known
from gateway.policy.caller_certificates import CertificateSettings, matching

CERTIFICATE: dict[str, Any] = {
    "subject": ((("organizationName", "Example"),), (("commonName", "app"), ("organizationalUnitName", "a"))),
    "subjectAltName": (("DNS", "App.internal"), ("URI", "spiffe://example/app"), ("IP Address", "10.0.0.1")),
}


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        ({"subject": {"CN": "app"}}, True),
        ({"subject": {"CN": "app", "O": "Example", "OU": "a"}}, True),
        ({"subject": {"CN": "app", "O": "Other"}}, False),
        ({"subject": {"CN": "App"}}, False),
        ({"subject": {"C": "DE"}}, False),
        ({"san": "dns:app.INTERNAL"}, True),
        ({"san": "uri:spiffe://example/app"}, True),
        ({"san": "URI:spiffe://example/App"}, False),
        ({"san": "ip:10.0.0.1"}, True),
        ({"san": "dns:10.0.0.1"}, False),
        ({"subject": {"CN": "app"}, "san": "dns:other"}, False),
    ],
)
def test_certificate_must_fulfil_all_that_a_rule_says(settings: dict[str, Any], known: bool) -> None:
    """Names of hosts are compared without regard to case, all else octet by octet."""
    rule = CertificateSettings.model_validate(settings).rule("app")

    assert (matching((rule,), CERTIFICATE) is rule) is known


def test_attribute_that_is_there_twice_belongs_to_nobody() -> None:
    """Which of them counts would be a matter of taste."""
    twice = {"subject": ((("commonName", "app"),), (("commonName", "admin"),))}
    rules = tuple(CertificateSettings.model_validate({"subject": {"CN": cn}}).rule(cn) for cn in ("app", "admin"))

    assert matching(rules, twice) is None


def test_rule_that_says_nothing_is_fulfilled_by_nobody() -> None:
    """It is refused at the check, and lets nobody in if it comes here."""
    assert matching((CertificateRule(Known("all")),), CERTIFICATE) is None


@pytest.mark.parametrize("settings", [{"subject": {"XX": "a"}}, {"san": "app"}, {"san": "dns:a b"}])
def test_names_that_no_certificate_has_are_refused(settings: dict[str, Any]) -> None:
    """A typing error would let nobody in without saying so."""
    with pytest.raises(ValidationError):
        CertificateSettings.model_validate(settings)
