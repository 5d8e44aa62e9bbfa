"""URLs that are asked about callers."""

from pathlib import Path

import pytest

from gateway.policy.caller_place import place, split_url


@pytest.mark.parametrize(
    ("url", "endpoint", "target"),
    [
        ("https://a.example", "https://a.example", "/"),
        ("http://127.0.0.1:9/x/y/?q=1", "http://127.0.0.1:9", "/x/y/?q=1"),
        ("https://[::1]:8443?q", "https://[::1]:8443", "/?q"),
    ],
)
def test_url_is_an_endpoint_and_a_target(url: str, endpoint: str, target: str) -> None:
    """Path and query stay as they are written."""
    found, asked = split_url(url)

    assert (str(found), asked) == (endpoint, target)


@pytest.mark.parametrize("url", ["ftp://a/", "a/b", "https:///x", "https://u:p@a/", "https://a/#x", "https://a/ b"])
def test_what_is_no_url_here_is_refused(url: str) -> None:
    """No other scheme, no password, no fragment."""
    with pytest.raises(ValueError):
        split_url(url)


def test_another_bundle_makes_another_place(tmp_path: Path) -> None:
    """Connections that were verified against the one before are not used for it."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("one")
    before = place("https://a/", str(bundle), 1.0)
    bundle.write_text("two")

    assert place("https://a/", str(bundle), 1.0) != before
