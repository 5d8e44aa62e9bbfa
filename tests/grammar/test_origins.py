"""Origins in settings are what browsers send, octet for octet."""

import pytest

from gateway.config.problem import Unacceptable
from gateway.grammar.origins import parse_origin


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "https://app.example.com",
        "http://localhost:3000",
        "https://*.example.com",
        "http://[::1]:8080",
        "https://*.example.com:8443",
        "chrome-extension://abcdef",
        "http://a.example:443",
    ],
)
def test_origin_is_taken_as_it_is(text: str) -> None:
    """A browser would send the same."""
    assert parse_origin(text) == text


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("https://app.example.com/", "https://app.example.com"),
        ("https://app.example.com/path", "https://app.example.com"),
        ("https://App.Example.com", "https://app.example.com"),
        ("app.example.com", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("https://app.*.com", None),
        ("https://*example.com", None),
        ("https://*", None),
        ("*.example.com", "https://*.example.com"),
        ("https://user@example.com", None),
        ("https://example.com:99999", None),
        ("https://", None),
        ("", None),
        ("NULL", "https://null"),
        ("https://app.example.com\r\nX: y", None),
    ],
)
def test_what_no_browser_sends_is_refused(text: str, suggestion: str | None) -> None:
    """It would never match; with what was probably meant."""
    with pytest.raises(Unacceptable) as raised:
        parse_origin(text)
    assert raised.value.suggestion == suggestion
