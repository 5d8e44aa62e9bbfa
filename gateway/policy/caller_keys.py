"""API keys, and users with passwords: both random, both kept as SHA-256 only.

A digest is looked up and compared in constant time, and a wrong one costs as much as a right one. What is random has
256 bits and needs no slow hash; a slow one would stop all streams of the worker for each try of anybody.
"""

import base64
import binascii
import hashlib
import hmac
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from gateway.config.digests import DIGESTS_KIND, is_digest
from gateway.config.model import NEVER_SHOWN, Kind, Model
from gateway.config.problem import Unacceptable
from gateway.exchange.callers import Callers, Known
from gateway.exchange.message import RequestHead
from gateway.exchange.path import split_query
from gateway.grammar.tokens import is_token

PREFIX = "sgk_"
"""What keys of our own making begin with, so that those who look for leaked ones find them."""
_NOBODY = b"\0" * 32
_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_MOST_CHARACTERS = 1024
"""Of a key or password; nobody's is longer, and hashing takes time."""


def _digest_text(text: str) -> str:
    if not is_digest(text):
        raise Unacceptable('64 hexadecimal digits, as "gateway key new" prints them')
    return text.lower()


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _date(value: Any) -> float:
    """Return the seconds since 1970 at which a date begins (UTC), or that a date and time with its zone names."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(found, date) and not isinstance(found, datetime):
            found = datetime(found.year, found.month, found.day)
        if isinstance(found, datetime):
            at_midnight = found.tzinfo is None and found.time().isoformat() == "00:00:00"
            if found.tzinfo is not None or at_midnight:
                return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        pass
    raise Unacceptable('a date such as "2027-01-01", or a time with its zone such as "2027-01-01T12:00:00Z"')


def _scope(text: str) -> str:
    if not re.fullmatch(r"[!#-\[\]-~]{1,128}", text):
        raise Unacceptable("a scope: visible characters without quotes and backslashes (RFC 6749 section 3.3)")
    return text


def _parameter(text: str) -> str:
    if not is_token(text):
        raise Unacceptable('the name of a parameter such as "api_key"')
    return text


Scope = Annotated[str, AfterValidator(_scope), Kind("scope")]
ParameterName = Annotated[str, AfterValidator(_parameter), Kind("parameter name")]
Digests = Annotated[
    tuple[Annotated[str, AfterValidator(_digest_text), Kind("SHA-256")], ...],
    BeforeValidator(_one_or_more),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
    DIGESTS_KIND,
]
Expiry = Annotated[
    float,
    BeforeValidator(_date),
    PlainSerializer(lambda seconds: datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")),
    WithJsonSchema({"type": "string"}),
    Kind("date"),
]


class CallerSettings(Model):
    """What holds for a caller that the file names, however it shows who it is."""

    scopes: tuple[Scope, ...] = Field(default=(), examples=[["read"]])
    """What it is allowed, for routes whose `auth.scopes` ask for something. Array. Default none."""
    routes: tuple[str, ...] | None = Field(default=None, min_length=1, examples=[["openai"]])
    """Names of the only routes it may use. Array. Default: all that take its kind."""
    expires: Expiry | None = Field(default=None, examples=["2027-01-01"])
    """From when on it is not let in any more: a date, which begins at midnight UTC, or a time with its zone.
    Default never. A stream that runs then goes on to its end."""

    def known(self, name: str, digests: tuple[bytes, ...] = ()) -> Known:
        """Return the caller called ``name``."""
        routes = None if self.routes is None else frozenset(self.routes)
        return Known(name, digests, frozenset(self.scopes), routes, self.expires)


class KeySettings(CallerSettings):
    """A caller with an API key."""

    sha256: Digests = Field(
        min_length=1,
        repr=False,
        json_schema_extra=NEVER_SHOWN,
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    """SHA-256 of the key in hexadecimal digits, as `gateway key new` prints it; required. An array of two while one key
    replaces another. The key must be random: this is no place for a word that somebody could guess."""

    def digests(self) -> tuple[bytes, ...]:
        """Return the digests as octets."""
        return tuple(map(bytes.fromhex, self.sha256))


class UserSettings(KeySettings):
    """A caller with a name and a password, shown as Basic credentials (RFC 7617)."""

    sha256: Digests = Field(
        min_length=1,
        repr=False,
        json_schema_extra=NEVER_SHOWN,
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    """SHA-256 of the password in hexadecimal digits, as `gateway key new --user NAME` prints it; required. Array or
    one. The password must be random and long: a word would be found from its digest in no time."""


def digest(text: str) -> bytes:
    """Return the SHA-256 of what a caller showed, latin-1 as it came from the wire."""
    return hashlib.sha256(text.encode("latin-1", "replace")).digest()


def known_key(callers: Callers, text: str) -> Known | None:
    """Return whose key ``text`` is. It takes as long for one that nobody has."""
    if len(text) > _MOST_CHARACTERS:
        return None
    shown = digest(text)
    found = callers.keys.get(shown)
    expected = next((each for each in found.digests if each == shown), _NOBODY) if found is not None else _NOBODY
    return found if hmac.compare_digest(expected, shown) else None


def known_user(callers: Callers, name: str, password: str) -> Known | None:
    """Return who is called ``name`` and has the password; it takes as long for a name that nobody has."""
    if len(password) > _MOST_CHARACTERS:
        return None
    shown = hashlib.sha256(password.encode()).digest()
    found = callers.users.get(name)
    right = [hmac.compare_digest(each, shown) for each in (found.digests if found is not None else (_NOBODY,))]
    return found if any(right) else None


def key_in(request: RequestHead, callers: Callers) -> str | None:
    """Return the key that a request shows: in its field, in the query, or as a bearer token, in this order.

    Raises ValueError where one place holds two, for readers would differ about which one counts.
    """
    wanted = callers.key_header.lower()
    found = [value for name, value in request.fields if name.lower() == wanted]
    if not found and callers.key_query is not None:
        _, query = split_query(request.target)
        found = [unquote(value) for name, value in _parameters(query) if name == callers.key_query]
    if len(found) > 1:
        raise ValueError("more than one key is shown")
    return found[0] if found else credentials(request, "bearer")


def credentials(request: RequestHead, scheme: str) -> str | None:
    """Return what Authorization says after ``scheme`` (lower case), or None where it says another one or nothing.

    Raises ValueError for several Authorization fields (RFC 9110 section 11.6.2 has one).
    """
    found = [value for name, value in request.fields if name.lower() == "authorization"]
    if len(found) > 1:
        raise ValueError("more than one Authorization field")
    said, _, rest = found[0].partition(" ") if found else ("", "", "")
    return rest.strip(" ") if said.lower() == scheme else None


def name_and_password(text: str) -> tuple[str, str]:
    """Return what Basic credentials hold (RFC 7617 section 2); raise ValueError where they hold nothing of the kind."""
    try:
        name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("the Basic credentials cannot be read") from None
    if not colon:
        raise ValueError("the Basic credentials hold no password")
    return name, password


def without_parameter(target: str, name: str) -> str:
    """Return ``target`` without the query's parameters called ``name``; all other octets stay as they are."""
    path, query = split_query(target)
    if not query:
        return target
    parts = query[1:].split("&")
    kept = [part for part in parts if _name(part) != name]
    if len(kept) == len(parts):
        return target
    return f"{path}?{'&'.join(kept)}" if kept else path


def _parameters(query: str) -> list[tuple[str, str]]:
    return [(_name(part), part.partition("=")[2]) for part in query[1:].split("&")] if query else []


def _name(part: str) -> str:
    return unquote(part.partition("=")[0])
