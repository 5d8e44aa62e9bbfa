"""Media types in settings are told from what is none."""

import pytest

from gateway.config.problem import Unacceptable
from gateway.grammar.content_types import parse_media_type


@pytest.mark.parametrize(
    ("text", "read"),
    [("application/json", "application/json"), ("Text/*", "text/*"), ("image/svg+xml", "image/svg+xml")],
)
def test_media_type_is_read_in_lower_case(text: str, read: str) -> None:
    """Types are compared without regard to case (RFC 9110 section 8.3.1)."""
    assert parse_media_type(text) == read


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("json", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("application", None),
        ("*/json", None),
        ("*/*", None),
        ("a/b/c", None),
        ("text/plain\r\n", "text/plain"),
        ("", None),
    ],
)
def test_what_is_no_media_type_is_refused(text: str, suggestion: str | None) -> None:
    """With what was probably meant."""
    with pytest.raises(Unacceptable) as raised:
        parse_media_type(text)
    assert raised.value.suggestion == suggestion
