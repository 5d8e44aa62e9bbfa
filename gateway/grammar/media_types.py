"""Media types, and patterns for them, as settings name them and heads carry them (RFC 9110 section 8.3.1)."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable

_PART = r"[a-z0-9][a-z0-9!#$&^_.-]{0,126}"  # RFC 6838 section 4.2, but for "+", which begins a suffix
_PATTERN = re.compile(rf"{_PART}/(?:\*|(?:\*|{_PART})\+{_PART}|{_PART})")
_EXPECTED = 'a media type such as "text/*", "application/json" or "application/*+json"'
_SHORT = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data",
    "text": "text/plain",
    "xml": "application/xml",
}


def parse_media_pattern(text: str) -> str:
    """Return ``text`` in lower case, as types are compared; raise `Unacceptable` where it is no pattern for them."""
    lower = text.lower()
    if not _PATTERN.fullmatch(lower):
        plain = lower.partition(";")[0].strip()
        raise Unacceptable(_EXPECTED, suggestion=plain if _PATTERN.fullmatch(plain) else _SHORT.get(lower))
    return lower


MediaPattern = Annotated[
    str,
    AfterValidator(parse_media_pattern),
    WithJsonSchema({"type": "string", "pattern": "^(?:" + _PATTERN.pattern.replace("a-z", "A-Za-z") + ")$"}),
    Kind("media type"),
]
"""A media type without parameters; ``type/*`` for all below, ``type/*+suffix`` for one syntax of them."""


def essence(content_type: str | None) -> str:
    """Return type and subtype of a Content-Type in lower case, parameters left out; empty where there is none."""
    return "" if content_type is None else content_type.partition(";")[0].strip(" \t").lower()


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return what says whether an essence fits one of ``patterns``."""
    exact: set[str] = set()
    types: set[str] = set()
    suffixes: set[tuple[str, str]] = set()
    for pattern in patterns:
        top, _, rest = pattern.partition("/")
        if rest == "*":
            types.add(top)
        elif rest.startswith("*+"):
            suffixes.add((top, rest[2:]))
        else:
            exact.add(pattern)

    def matches(wanted: str) -> bool:
        top, slash, rest = wanted.partition("/")
        if wanted in exact or (slash and top in types):
            return True
        _, plus, suffix = rest.rpartition("+")
        return bool(plus) and (top, suffix) in suffixes

    return matches
