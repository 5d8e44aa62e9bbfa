"""URLs that the gateway itself asks about callers."""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable
from gateway.exchange.callers import Place
from gateway.exchange.target import Endpoint, parse_endpoint


def split_url(url: str) -> tuple[Endpoint, str]:
    """Return the endpoint and the target (path and query) of an http or https URL; raise ValueError for others."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise ValueError('a URL here begins with "http://" or "https://"')
    ends = [at for at in (rest.find("/"), rest.find("?"), rest.find("#")) if at >= 0]
    at = min(ends, default=len(rest))
    endpoint, target = parse_endpoint(f"{scheme}://{rest[:at]}"), rest[at:]
    if "#" in target or not all("!" <= character <= "~" for character in target):
        raise ValueError("the URL has a fragment, or a character that must be escaped as %XX")
    return endpoint, target if target.startswith("/") else f"/{target}"


def _url(text: str) -> str:
    try:
        split_url(text)
    except ValueError as error:
        raise Unacceptable('a URL such as "https://login.example.com/keys"', message=str(error)) from None
    return text


def place(url: str, ca: str | None, timeout_seconds: float) -> Place:
    """Return what is asked at ``url``; reads the file ``ca``, for another content makes it another place."""
    endpoint, target = split_url(url)
    ca_digest = "" if ca is None else hashlib.sha256(Path(ca).read_bytes()).hexdigest()
    return Place(endpoint, target, ca, ca_digest, timeout_seconds)


UrlText = Annotated[str, AfterValidator(_url), Kind("URL")]
