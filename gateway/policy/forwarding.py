"""What the upstream is told about the way a request came, and whose word about it is believed."""

import re
from typing import Literal

from pydantic import Field

from gateway.config.model import Model
from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.fields import remove_field, set_field
from gateway.exchange.message import Fields, FixedChunks, Reply, ReplyHead, RequestHead, Source, first_value
from gateway.exchange.route import Forwarding, Route
from gateway.grammar.addresses import PeerText, TokenOrOff, parse_network
from gateway.grammar.tokens import OwnFieldName
from gateway.policy.hooks import Hooks

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DIGITS = re.compile("[0-9]{1,10}")
_MAX_FORWARDS_LIMIT = 2**31 - 1
"""The largest Max-Forwards passed on (RFC 9110 section 7.6.2 lets the recipient have a maximum)."""

_EVERY_METHOD = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

ACTS_ON = ("forwarding.via", "forwarding.forwarded", "forwarding.x_forwarded", "forwarding.trusted_peers")
"""The settings that decide what it does, as a route sees them."""


class ForwardingSettings(Model):
    """What upstreams are told about the way a request came, and whose word about it is believed."""

    trusted_peers: tuple[PeerText, ...] = Field(default=(), examples=[["10.0.0.0/8", "unix"]])
    """Networks ("10.0.0.0/8"), addresses, or "unix" for all peers on unix sockets, whose Forwarded and X-Forwarded
    fields are believed and kept; those of others are replaced. Array. Default empty.
    Whoever is named here can claim to be any client."""
    via: TokenOrOff = "slowgate"
    """The gateway's pseudonym in Via (RFC 9110 section 7.6.3). Token or "off". Default "slowgate"."""
    forwarded: bool = True
    """Whether Forwarded (RFC 7239) is sent. Default true. It tells upstreams the addresses of clients."""
    x_forwarded: bool = True
    """Whether X-Forwarded-For, -Proto and -Host are sent. Default true. They tell upstreams who the client is."""
    client_address_from: Literal["X-Forwarded-For", "Forwarded"] = "X-Forwarded-For"
    """The field of trusted peers that tells who the client is, for `addresses` and the like. "X-Forwarded-For" or
    "Forwarded". Default "X-Forwarded-For". Name the one that they write: the other one may be the client's own."""
    request_id_header: OwnFieldName = "X-Request-Id"
    """Field that carries the request's id to the upstream and back. Field name. Default "X-Request-Id".
    An id sent by a trusted peer is kept."""

    def compiled(self) -> Forwarding:
        """Return what these settings say, made for use."""
        return Forwarding(
            trusted_peers=tuple(parse_network(peer) for peer in self.trusted_peers if peer != "unix"),
            trust_unix="unix" in self.trusted_peers,
            via=self.via,
            forwarded=self.forwarded,
            x_forwarded=self.x_forwarded,
            request_id_header=self.request_id_header,
            client_address_from=self.client_address_from,
        )


def trusted(forwarding: Forwarding, peer: str) -> bool:
    """Say whether the forwarding fields of ``peer`` (an address; empty on a unix socket) are believed."""
    return peer in forwarding.trusted


def hooks(route: Route) -> Hooks:
    """Tell the upstream who asked, and answer requests that have been forwarded as often as they may be."""
    forwarding = route.forwarding
    allow = ", ".join(sorted(route.methods)) or _EVERY_METHOD

    def admit(exchange: Exchange) -> Reply | None:
        if forwards_left(exchange.request) != 0:
            return None
        fields = [("Allow", allow), ("Content-Length", "0")]
        return Reply(ReplyHead(200, "OK", fields), FixedChunks(b""), Source.LOCAL, 0)

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        fields = attempt.fields = attempt.fields or []
        request = exchange.request
        left = forwards_left(request)
        if left is not None:
            set_field(fields, "Max-Forwards", str(left - 1))
        believed = exchange.trusted_peer
        if not believed:
            fields[:] = [line for line in fields if not _speaks_of_the_way(line[0])]
        if forwarding.via is not None:
            fields.append(("Via", f"{_protocol(request.version)} {forwarding.via}"))
        if not believed:
            fields += _own_lines(forwarding, request)  # Nothing is left that they could join.
            return
        if forwarding.forwarded:
            _append_member(fields, "Forwarded", forwarded_element(request))
        if forwarding.x_forwarded:
            _add_x_forwarded(fields, request)

    return Hooks(admit=admit, prepare=prepare)


def forwards_left(request: RequestHead) -> int | None:
    """Return how often ``request`` may still be forwarded (RFC 9110 section 7.6.2); None where nothing limits it."""
    if request.method not in ("OPTIONS", "TRACE"):
        return None
    value = request.first("max-forwards")
    if value is None or not value.isascii() or not value.isdigit():
        return None
    return min(int(value), _MAX_FORWARDS_LIMIT) if _DIGITS.fullmatch(value) else _MAX_FORWARDS_LIMIT


def forwarded_element(request: RequestHead) -> str:
    """Return our element of Forwarded (RFC 7239 section 4): who asked (section 6), for which host, by which scheme."""
    peer = _plain_address(request.peer)
    node = f'"[{peer}]"' if ":" in peer else peer or "unknown"
    element = f"for={node}"
    if request.authority:
        element += f";host={_token_or_quoted(request.authority)}"
    return f"{element};proto={request.scheme}"


def _own_lines(forwarding: Forwarding, request: RequestHead) -> Fields:
    """Return what is told of a request about whose way nobody else has said anything."""
    lines: Fields = []
    if forwarding.forwarded:
        lines.append(("Forwarded", forwarded_element(request)))
    if forwarding.x_forwarded:
        if request.peer:
            lines.append(("X-Forwarded-For", _plain_address(request.peer)))
        lines.append(("X-Forwarded-Proto", request.scheme))
        if request.authority:
            lines.append(("X-Forwarded-Host", request.authority))
    return lines


def _add_x_forwarded(fields: Fields, request: RequestHead) -> None:
    """Append the peer to X-Forwarded-For, and leave exactly one -Proto and one -Host, the earliest ones known."""
    if request.peer:
        _append_member(fields, "X-Forwarded-For", _plain_address(request.peer))
    set_field(fields, "X-Forwarded-Proto", first_value(fields, "x-forwarded-proto") or request.scheme)
    host = first_value(fields, "x-forwarded-host") or request.authority
    if host:
        set_field(fields, "X-Forwarded-Host", host)
    else:
        remove_field(fields, "x-forwarded-host")


def _append_member(fields: Fields, name: str, member: str) -> None:
    """Append ``member`` to the list ``name``, in one line: too many readers know only the first or the last one."""
    wanted = name.lower()
    members = [value for field, value in fields if field.lower() == wanted and value.strip()]
    set_field(fields, name, ", ".join([*members, member]))


def _speaks_of_the_way(name: str) -> bool:
    """Say whether a field is one that only a trusted peer may send.

    With underscores too: CGI and WSGI read ``X_Forwarded_For`` as ``X-Forwarded-For``.
    """
    if name[:1] not in "fFxX":
        return False
    name = name.lower().replace("_", "-")
    return name.startswith("x-forwarded-") or name in ("forwarded", "x-real-ip")


def _plain_address(peer: str) -> str:
    """Return ``peer`` without zone, and as IPv4 where a dual-stack socket shows it mapped (RFC 4291, 2.5.5.2)."""
    peer = peer.partition("%")[0]
    mapped = peer.removeprefix("::ffff:")
    return mapped if "." in mapped else peer


def _protocol(version: tuple[int, int]) -> str:
    """Return the received protocol as Via names it (RFC 9110 section 7.6.3): ``1.1``, and ``2`` for HTTP/2."""
    major, minor = version
    return f"{major}.{minor}" if major < 2 else str(major)


def _token_or_quoted(text: str) -> str:
    if _TOKEN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
