"""Checked strings that name places in the network: listeners, endpoints, hosts and networks."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable
from gateway.exchange.target import parse_endpoint
from gateway.grammar.tokens import Token

_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]*)):([0-9]{1,5})")
_LISTEN_EXPECTED = 'an address such as "127.0.0.1:8080", "[::1]:8080" or "unix:/run/gateway.sock"'
_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})\.?)+|\[[0-9A-Fa-f:.]+\]")
_HOST_EXPECTED = 'a host name without port, such as "api.example.com"'
_UNIX_PATH_OCTETS = 107
"""As long as the kernel lets the path of a unix socket be."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a listener listens: an address and port, or a unix socket."""

    host: str = ""
    """Name or address without brackets; empty for a unix socket."""
    port: int = 0
    """0 for any free one."""
    path: str = ""

    @property
    def is_unix(self) -> bool:
        return bool(self.path)

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The numeric address; None for a unix socket and for names other than localhost."""
        try:
            return ip_address("127.0.0.1" if self.host == "localhost" else self.host)
        except ValueError:
            return None

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.is_unix or (self.address is not None and self.address.is_loopback)

    def collides_with(self, other: "Listen") -> bool:
        """Say whether both cannot listen at once; an address of all interfaces collides with every other."""
        if self.is_unix or other.is_unix:
            return self.path == other.path
        if self.port != other.port or self.port == 0:
            return False
        mine, theirs = self.address, other.address
        if mine is None or theirs is None:
            return self.host.lower() == other.host.lower()
        return mine == theirs or any(
            one.is_unspecified and (one.version == 6 or two.version == 4)
            for one, two in ((mine, theirs), (theirs, mine))
        )


def parse_listen(text: str) -> Listen:
    """Return what ``text`` says: ``host:port``, ``[ipv6]:port`` or ``unix:/path``; raise `Unacceptable`."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or "\0" in path:
            raise Unacceptable('"unix:" and an absolute path, such as "unix:/run/gateway.sock"')
        if len(path.encode()) > _UNIX_PATH_OCTETS:
            raise Unacceptable(f"a path of at most {_UNIX_PATH_OCTETS} octets, for that is all a unix socket may have")
        return Listen(path=path)
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[3]) > 65535 or not (match[1] or match[2]):
        raise Unacceptable(_LISTEN_EXPECTED, suggestion=_guess_listen(text))
    host = match[1] or match[2]
    if match[1] or re.fullmatch("[0-9.]+", host):
        try:
            ip_address(host)
        except ValueError:
            raise Unacceptable(_LISTEN_EXPECTED) from None
    return Listen(host, int(match[3]))


def _guess_listen(text: str) -> str | None:
    text = text.removeprefix("http://").removeprefix("https://").removeprefix("tcp://").rstrip("/")
    port = text.removeprefix(":")
    if port.isdecimal() and 0 < int(port) <= 65535:
        return f"127.0.0.1:{port}"
    if text.startswith("/"):
        return f"unix:{text}"
    return text if _LISTEN.fullmatch(text) and not text.startswith(":") else None


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Return the network that a CIDR or a single address names; raise `Unacceptable`."""
    expected = 'a network such as "10.0.0.0/8", an address such as "::1", or "unix"'
    try:
        return ip_network(text)
    except ValueError:
        try:
            suggestion = str(ip_network(text, strict=False))
        except ValueError:
            suggestion = None
        message = "bits beyond the network's length are set" if suggestion else ""
        raise Unacceptable(expected, message=message, suggestion=suggestion) from None


def _listen(text: str) -> str:
    parse_listen(text)
    return text


def endpoint_text(text: str) -> str:
    """Return ``text``, which names an endpoint; raise `Unacceptable`."""
    expected = 'an URL such as "http://127.0.0.1:9000/base", "https://api.example.com" or "unix:/run/app.sock"'
    try:
        parse_endpoint(text)
    except ValueError as error:
        suggestion = f"http://{text}" if "://" not in text and _LISTEN.fullmatch(text) else None
        raise Unacceptable(expected, message=str(error), suggestion=suggestion) from None
    return text


def _peer(text: str) -> str:
    if text != "unix":
        parse_network(text)
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text) or len(text) > 253:
        name = re.sub(r"^[a-z]+://|[:/].*$", "", text)
        raise Unacceptable(_HOST_EXPECTED, suggestion=name if name != text and _HOST.fullmatch(name) else None)
    return text.lower().removesuffix(".")


def _host_pattern(text: str) -> str:
    if text.startswith("*."):
        return f"*.{_host(text[2:])}"
    return _host(text)


def one_or_more(value: Any) -> Any:
    """Let a single string stand for an array of one."""
    if not isinstance(value, str | tuple):
        raise Unacceptable("a string, or an array of strings")
    return (value,) if isinstance(value, str) else value


def one_or_more_listeners(value: Any) -> Any:
    """As `one_or_more`, with a guess for a bare port."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise Unacceptable(_LISTEN_EXPECTED, suggestion=_guess_listen(str(value)))
    return one_or_more(value)


def none_for_off(value: Any) -> Any:
    """Let ``"off"`` stand for None."""
    return None if value == "off" else value


def off_for_none(value: Any) -> Any:
    """Write None as ``"off"``."""
    return "off" if value is None else value


_ONE_OR_MORE = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
)
_OR_OFF = (BeforeValidator(none_for_off), PlainSerializer(off_for_none), WithJsonSchema({"type": "string"}))

ListenText = Annotated[str, AfterValidator(_listen), Kind("address")]
EndpointText = Annotated[str, AfterValidator(endpoint_text), Kind("URL")]
PeerText = Annotated[str, AfterValidator(_peer), Kind("network")]
PeersOrOff = Annotated[
    tuple[PeerText, ...] | None,
    Field(min_length=1),
    BeforeValidator(none_for_off),
    PlainSerializer(off_for_none),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 1}, {"const": "off"}]}),
    Kind('array of networks, or "off"'),
]
HostText = Annotated[str, AfterValidator(_host), Kind("host name")]
HostPattern = Annotated[str, AfterValidator(_host_pattern), Kind("host name")]
"""A host name, or ``*.`` and the name that it is below."""
ListenOrOff = Annotated[ListenText | None, *_OR_OFF, Kind('address or "off"')]
TokenOrOff = Annotated[Token | None, *_OR_OFF, Kind('token or "off"')]
ListenTexts = Annotated[
    tuple[ListenText, ...], BeforeValidator(one_or_more_listeners), _ONE_OR_MORE, Kind("address or array of addresses")
]
HostPatterns = Annotated[
    tuple[HostPattern, ...], BeforeValidator(one_or_more), _ONE_OR_MORE, Kind("host name or array of host names")
]
Patterns = Annotated[tuple[str, ...], BeforeValidator(one_or_more), _ONE_OR_MORE, Kind("pattern or array of patterns")]
"""Of names of files."""
