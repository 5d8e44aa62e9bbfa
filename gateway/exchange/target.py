"""Where an attempt goes: endpoints and the arithmetic of request targets, octet for octet."""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address

from gateway.exchange.path import below, prefix_segments, segments_for_match, split_query
from gateway.exchange.path import escapes as escapes

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(
    r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<name>(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+))(?::(?P<port>[0-9]*))?"
)
_IPV_FUTURE = re.compile(r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+")
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)*")
_AUTHORITY_END = re.compile("[/?#]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of an upstream."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    """Name or address without brackets; for a unix socket its path."""
    port: int
    base_path: str = ""
    """Path of the endpoint's URL without its last slash: ``/api`` or empty."""
    authority: str = ""
    """What the Host field says: host, and port where it is not the scheme's own."""
    unix: bool = False

    def __str__(self) -> str:
        """Return the address, for logs and clients: without the base path, which may be somebody's key."""
        return f"unix:{self.host}" if self.unix else f"{self.scheme}://{self.authority}"


def parse_endpoint(url: str) -> Endpoint:
    """Return the endpoint that ``url`` names: ``http://host[:port][/base]``, ``https://…`` or ``unix:/path``.

    Raises ValueError with a sentence that says what is wrong and never repeats what may be a secret.
    """
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if scheme == "unix" and colon:
        return _unix_endpoint(rest)
    if scheme not in _DEFAULT_PORTS or not rest.startswith("//"):
        raise ValueError('an endpoint begins with "http://", "https://" or "unix:/"')
    rest = rest[2:]
    if "@" in _AUTHORITY_END.split(rest, maxsplit=1)[0]:
        raise ValueError("an endpoint holds no user or password; clients send them in the Authorization field")
    if "?" in rest or "#" in rest:
        raise ValueError("an endpoint ends with its path; leave out what follows ? or #")
    authority, slash, path = rest.partition("/")
    path = slash + path
    if not _PATH.fullmatch(path):
        raise ValueError("the path of an endpoint holds a character that must be escaped as %XX")
    if any(segment in (".", "..") for segment in segments_for_match(path)):
        raise ValueError('the path of an endpoint holds "." or ".." segments; write the path they lead to')
    host, port = _host_and_port(authority)
    port = _DEFAULT_PORTS[scheme] if port is None else port
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == _DEFAULT_PORTS[scheme] else f"{shown}:{port}"
    return Endpoint(scheme, host, port, path.rstrip("/"), authority)


def _unix_endpoint(rest: str) -> Endpoint:
    path = rest.removeprefix("//") if rest.startswith("///") else rest
    if not path.startswith("/") or path.startswith("//") or "\0" in path:
        raise ValueError('an endpoint on a unix socket is "unix:" and an absolute path, as in "unix:/run/app.sock"')
    return Endpoint("http", path, 0, authority="localhost", unix=True)


def _host_and_port(authority: str) -> tuple[str, int | None]:
    """Return host (lower case, without brackets) and port of an endpoint's authority; raise ValueError."""
    match = _HOST.fullmatch(authority)
    if not authority or (authority[0] == ":" and authority.count(":") == 1):
        raise ValueError("an endpoint names a host after //")
    if match is None:
        raise ValueError(f'"{authority}" is not a host[:port]; IPv6 addresses stand in [], other scripts as xn-- names')
    host, port = match["literal"], match["port"]
    if host is None:
        host = match["name"]
        if "%" in host:
            raise ValueError(f'"{host}" is not a host name; write it without escapes')
    elif not _ipv6(host):
        raise ValueError(f'"[{host}]" is not an IPv6 address')
    if port and not 1 <= _port(port) <= 65535:
        raise ValueError(f"port {port} is not between 1 and 65535")
    return host.lower(), _port(port) if port else None


def _port(digits: str) -> int:
    """Return a port, or one too large for any number too long to be one."""
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= 5 else 65536


def _ipv6(text: str) -> bool:
    if "%" in text:  # A zone is of use on one machine only, and ipaddress would take it for part of the address.
        return False
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def valid_host(value: str) -> bool:
    """Say whether ``value`` is a Host for http: ``host[:port]``, no user, not empty (RFC 9110 sections 4.2.1, 7.2).

    A comma and an escape are in RFC 3986's grammar and in no name that resolves: two Host lines that somebody joined
    look like the one, and who decodes the other sees another host.
    """
    match = _HOST.fullmatch(value)
    if match is None or "," in value or "%" in value or (match["port"] and _port(match["port"]) > 65535):
        return False
    literal = match["literal"]
    return literal is None or _ipv6(literal) or _IPV_FUTURE.fullmatch(literal) is not None


def split_absolute(target: str, method: str = "GET") -> tuple[str, str]:
    """Return the authority and the origin-form of an absolute-form target (RFC 9112 section 3.2.2).

    An empty path becomes ``/``; with OPTIONS and no query it becomes ``*`` (section 3.2.4). All octets stay as they
    came. Raises ValueError if it is no http or https target with a valid authority.
    """
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() not in _DEFAULT_PORTS:
        raise ValueError("the target is neither a path nor an http or https URL")
    end = _AUTHORITY_END.search(rest)
    at = end.start() if end else len(rest)
    authority, origin = rest[:at], rest[at:]
    if not valid_host(authority):
        raise ValueError("the target's authority is not a host[:port]")
    if origin.startswith("#"):
        raise ValueError("the target has a fragment")
    if not origin and method == "OPTIONS":
        return authority, "*"
    return authority, origin if origin.startswith("/") else f"/{origin}"


def upstream_target(target: str, strip_prefix: str, rewrite: str | None, base_path: str) -> str:
    """Return the target to send: the prefix taken off by whole segments, the rewrite in its place, the base in front.

    What remains of the path and the query keep every octet, an empty ``?`` too; no slash is lost or doubled at the
    joints: whether the result ends with one is the client's choice. A target outside the prefix keeps its whole path.
    ``*`` stays ``*``.
    """
    if target == "*":
        return target
    path, query = split_query(target)
    prefix = prefix_segments(strip_prefix)
    if segments_for_match(path)[: len(prefix)] == prefix:
        path = (rewrite or "").rstrip("/") + below(path, len(prefix))
    return (base_path + path or "/") + query
