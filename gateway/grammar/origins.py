"""Checked origins in settings, as browsers write them: ``https://app.example.com``, ``https://*.example.com:8443``."""

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable

ANY, NULL = "*", "null"
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_LABEL = "[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    rf"(?P<host>(?:\*\.)?{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{{0,4}}))?"
)
_EXPECTED = 'an origin such as "https://app.example.com" or "https://*.example.com", "*", or "null"'


def parse_origin(text: str) -> str:
    """Return ``text`` as browsers write it; raise `Unacceptable` where it is no origin.

    Browsers leave out the port of the scheme and write hosts in lower case (HTML standard, origins).
    """
    if text in (ANY, NULL):
        return text
    match = _ORIGIN.fullmatch(text)
    if match is None or (match["port"] and int(match["port"]) > 65535):
        raise Unacceptable(_EXPECTED, suggestion=_guess(text))
    if match["port"] == _DEFAULT_PORTS.get(match["scheme"], ""):
        message = f"browsers leave out port {match['port']} here"
        raise Unacceptable(_EXPECTED, message=message, suggestion=f"{match['scheme']}://{match['host']}")
    return text


def _guess(text: str) -> str | None:
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "https", text
    guess = f"{scheme}://{rest.partition('/')[0]}".lower()
    return guess if guess != text and _ORIGIN.fullmatch(guess) else None


Origin = Annotated[str, AfterValidator(parse_origin), WithJsonSchema({"type": "string"}), Kind("origin")]
