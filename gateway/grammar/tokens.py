"""Checked strings with the grammar of HTTP: names, methods, field names and paths."""

import re
from typing import Annotated

from pydantic import AfterValidator

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable
from gateway.exchange.path import segments_for_match

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)+")
_WELL_KNOWN = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_FRAMING = frozenset({"connection", "content-length", "host", "transfer-encoding", "upgrade"})


def is_token(text: str) -> bool:
    """Say whether ``text`` is a token (RFC 9110 section 5.6.2) of at most 128 characters."""
    return _TOKEN.fullmatch(text) is not None


def _token(text: str) -> str:
    if not is_token(text):
        raise Unacceptable("a token: letters, digits and !#$%&'*+.^_`|~-")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        suggestion = re.sub("[^A-Za-z0-9_.]+", "-", text).strip("-._")[:64]
        raise Unacceptable('a name of letters, digits, "-", "_" and ".", at most 64', suggestion=suggestion or None)
    return text


def _method(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise Unacceptable('a method such as "GET"')
    if text not in _WELL_KNOWN and text.upper() in _WELL_KNOWN:
        raise Unacceptable("a method in capitals, for methods are case-sensitive", suggestion=text.upper())
    if text == "CONNECT":
        raise Unacceptable(message="this is no tunnel: CONNECT is never served")
    return text


def _field_name(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise Unacceptable('the name of a header field, such as "X-Request-Id"')
    return text


def _own_field_name(text: str) -> str:
    if _field_name(text).lower() in _FRAMING:
        raise Unacceptable(message="this field has a meaning of its own")
    return text


def _path(text: str) -> str:
    expected = 'a path such as "/api/", beginning with "/"'
    if not text.startswith("/"):
        raise Unacceptable(expected, suggestion=f"/{text}" if _PATH.fullmatch(f"/{text}") else None)
    if "?" in text or "#" in text:
        raise Unacceptable(expected, message="a path has neither query nor fragment")
    if "*" in text:
        raise Unacceptable(
            expected,
            message="there are no wildcards: a path stands for all that is below it",
            suggestion=text[: text.index("*")] or None,
        )
    if not _PATH.fullmatch(text):
        raise Unacceptable(expected, message="it holds a character that must be escaped as %XX")
    if any(segment in (".", "..") for segment in segments_for_match(text)):
        raise Unacceptable(expected, message='it holds "." or ".." segments: write the path they lead to')
    return text


Token = Annotated[str, AfterValidator(_token), Kind("token")]
Name = Annotated[str, AfterValidator(_name), Kind("name")]
Method = Annotated[str, AfterValidator(_method), Kind("method")]
FieldName = Annotated[str, AfterValidator(_field_name), Kind("field name")]
OwnFieldName = Annotated[str, AfterValidator(_own_field_name), Kind("field name")]
PathText = Annotated[str, AfterValidator(_path), Kind("path")]
