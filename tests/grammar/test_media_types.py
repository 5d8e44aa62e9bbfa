"""Media types: what a pattern takes, and what is none."""

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.config.problem import Unacceptable
from gateway.grammar.media_types import MediaPattern, essence, matcher, parse_media_pattern

PATTERN = TypeAdapter(MediaPattern)


@pytest.mark.parametrize(
    ("pattern", "takes", "leaves"),
    [
        ("text/*", ["text/plain", "text/event-stream", "text/x+json"], ["", "text", "textual/plain", "x/text"]),
        ("application/json", ["application/json"], ["application/json5", "application/problem+json"]),
        (
            "application/*+json",
            ["application/problem+json", "application/a.b+c+json"],
            ["application/json", "application/+x", "image/x+json", "application/json+x"],
        ),
    ],
)
def test_pattern_takes_what_it_says_and_nothing_else(pattern: str, takes: list[str], leaves: list[str]) -> None:
    """A pattern is about whole types and subtypes, never about parts of words."""
    matches = matcher([PATTERN.validate_python(pattern)])
    assert [each for each in takes if not matches(each)] == []
    assert [each for each in leaves if matches(each)] == []


@pytest.mark.parametrize("text", ["", "text", "text/", "/plain", "*/*", "text/html;x=y", "text/*x", "a/*+"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    """Parameters, and wildcards in other places, would never match as they were meant."""
    with pytest.raises(ValidationError):
        PATTERN.validate_python(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [("application/json", "application/json"), ("Text/*", "text/*"), ("Image/*+XML", "image/*+xml")],
)
def test_pattern_is_read_in_lower_case(text: str, read: str) -> None:
    """Types are compared without regard to case (RFC 9110 section 8.3.1)."""
    assert parse_media_pattern(text) == read


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
def test_what_was_probably_meant_is_suggested(text: str, suggestion: str | None) -> None:
    """Where there is anything to guess."""
    with pytest.raises(Unacceptable) as raised:
        parse_media_pattern(text)
    assert raised.value.suggestion == suggestion


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("Text/HTML ; charset=utf-8", "text/html"),
        ("application/json", "application/json"),
        ("", ""),
        (None, ""),
    ],
)
def test_essence_is_type_and_subtype(field: str | None, expected: str) -> None:
    """Parameters and capitals do not make another type."""
    assert essence(field) == expected
