"""Signatures with a shared key: the text that is signed, and the vector of the documentation."""

import hashlib
import hmac
from pathlib import Path

import pytest

from gateway.exchange.credential import Hmac
from gateway.policy.request_hmac import signature_field, signed_text

PAGE = Path(__file__).parents[2] / "docs/credentials.md"
RULE = Hmac(b"correct horse", key_id="2026-11")


def test_text_has_all_that_makes_a_request_this_one() -> None:
    """Six lines; the digest is of the body, or says that there is none for it."""
    digest = hashlib.sha256(b"{}").hexdigest()
    assert signed_text(RULE, "POST", "/a?b=%20", "up.example", b"{}", 1700000000) == (
        f"v1\n1700000000\nPOST\nup.example\n/a?b=%20\n{digest}"
    )
    assert signed_text(RULE, "GET", "/", "a", None, 1).endswith("\n/\nunsigned")


def test_field_is_the_one_of_the_documentation() -> None:
    """Whoever verifies has a vector to try with."""
    line = signature_field(RULE, "POST", "/v1/chat?x=1", [("Host", "api.example.com")], b'{"a":1}', 1700000000)
    assert line[0] == "X-Signature"
    assert line[1] in PAGE.read_text()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_algorithm_is_used_for_body_and_signature(algorithm: str) -> None:
    """A verifier needs one hash function."""
    rule = Hmac(b"k", algorithm=algorithm, header="X-Sig")
    digest = hashlib.new(algorithm, b"x").hexdigest()
    expected = hmac.new(b"k", f"v1\n7\nPUT\nh\n/\n{digest}".encode(), algorithm).hexdigest()
    assert signature_field(rule, "PUT", "/", [("host", "h")], b"x", 7) == ("X-Sig", f"t=7,v1={expected}")


def test_snippet_of_the_documentation_verifies() -> None:
    """What a reader copies accepts the vector, and nothing that differs in one part."""
    text = PAGE.read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    known: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), known)  # noqa: S102 - our own page
    verify = known["verify"]
    line = signature_field(RULE, "POST", "/v1/chat?x=1", [("Host", "api.example.com")], b'{"a":1}', 1700000000)[1]
    good = (b"correct horse", "POST", "api.example.com", "/v1/chat?x=1", b'{"a":1}', line, 1700000010)
    assert callable(verify) and verify(*good)
    for place, wrong in ((0, b"x"), (1, "GET"), (2, "b"), (3, "/"), (4, b""), (5, line[:-1] + "x"), (6, 1700009999)):
        changed = list(good)
        changed[place] = wrong
        assert not verify(*changed), place
