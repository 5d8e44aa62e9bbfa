"""Rights on the admin listener follow from tokens and certificates, and from nothing else."""

import hashlib
from typing import Any

import pytest

from gateway.exchange.access import RIGHTS, Access, AdminToken, caller, certificate_names

READER, WRITER = "r" * 32, "w" * 32


def a_token(name: str, text: str, *rights: str) -> AdminToken:
    return AdminToken(name, hashlib.sha256(text.encode()).digest(), frozenset(rights))


TOKENS = Access(tokens=(a_token("reader", READER, "read"), a_token("writer", WRITER, "control")))
CERTIFICATES = Access(certificates=True, control_names=frozenset({"deploy.example.com"}))
BOTH = Access(TOKENS.tokens, certificates=True, control_names=frozenset({"deploy.example.com"}))


@pytest.mark.parametrize(
    ("access", "authorization", "names", "who", "rights"),
    [
        (Access(), None, None, "anyone", RIGHTS),
        (Access(), "Bearer x", None, "anyone", RIGHTS),
        (TOKENS, None, None, "", set()),
        (TOKENS, f"Bearer {READER}", None, "reader", {"read"}),
        (TOKENS, f"bearer   {READER} ", None, "reader", {"read"}),
        (TOKENS, f"Bearer {WRITER}", None, "writer", {"control"}),
        (TOKENS, f"Basic {READER}", None, "", set()),
        (TOKENS, READER, None, "", set()),
        (TOKENS, "Bearer", None, "", set()),
        (TOKENS, "Bearer ", None, "", set()),
        (TOKENS, f"Bearer {READER}x", None, "", set()),
        (TOKENS, f"Bearer {READER},Bearer {WRITER}", None, "", set()),
        (TOKENS, f"Bearer {hashlib.sha256(READER.encode()).hexdigest()}", None, "", set()),
        (TOKENS, "Bearer \xe9\udcff", None, "", set()),
        (TOKENS, None, {"deploy.example.com"}, "", set()),
        (CERTIFICATES, None, None, "", set()),
        (CERTIFICATES, None, set(), "a certificate without a name", {"read"}),
        (CERTIFICATES, None, {"ops.example.com"}, "ops.example.com", {"read"}),
        (CERTIFICATES, None, {"deploy.example.com", "z"}, "deploy.example.com", RIGHTS),
        (CERTIFICATES, None, {"x.deploy.example.com"}, "x.deploy.example.com", {"read"}),
        (BOTH, f"Bearer {WRITER}", {"ops"}, "writer", RIGHTS),
        (BOTH, "Bearer unknown", {"ops"}, "ops", {"read"}),
    ],
)
def test_who_shows_something_has_its_rights_and_no_other(
    access: Access, authorization: str | None, names: set[str] | None, who: str, rights: set[str]
) -> None:
    """A digest is no token, one right is not the other, and a half of something is nothing."""
    found = caller(access, authorization, names)

    assert (found.name, found.rights) == (who, rights)


def test_a_token_beyond_any_length_is_not_looked_at() -> None:
    """Hashing what anybody sends is bounded."""
    long = "x" * 5000

    assert caller(Access(tokens=(a_token("long", long, "read"),)), f"Bearer {long}", None).rights == set()


@pytest.mark.parametrize(
    ("certificate", "names"),
    [
        (None, None),
        ({}, None),
        ({"subject": ((("commonName", "ops"),),)}, {"ops"}),
        ({"subject": ((("organizationName", "deploy"),),)}, set()),
        (
            {"subject": ((("commonName", "deploy"),),), "subjectAltName": (("DNS", "a.example.com"), ("URI", "u:1"))},
            {"a.example.com", "u:1"},
        ),
    ],
)
def test_a_certificate_is_known_by_its_alternative_names(certificate: Any, names: set[str] | None) -> None:
    """The common name counts only where there are none; a certificate that was not verified has no name at all."""
    assert certificate_names(certificate) == names
