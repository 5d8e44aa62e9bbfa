"""The address that an exchange is counted by: the client's, as far as it can be believed. Pure.

IPv6 is taken by the /64, for whoever has one address of it has all of them.
"""

from functools import lru_cache
from ipaddress import ip_address

from gateway.exchange.exchange import Exchange
from gateway.exchange.message import RequestHead
from gateway.exchange.route import Forwarding
from gateway.policy.forwarding import trusted

_MOST_MEMBERS = 32
"""Hops that are looked through; a way this long is not one."""


def caller_address(exchange: Exchange, forwarding: Forwarding) -> str:
    """Return the network of the client: of the peer, or of whom trusted peers say they forward for.

    The list is read from its end, over trusted addresses, to the first that is none: what stands before it is the
    client's own word. Where X-Forwarded-For and Forwarded are both there and disagree, neither is believed: one of
    them passed through a proxy that only knows the other.
    """
    request = exchange.request
    if not exchange.trusted_peer:
        return network(request.peer)
    said = {_first_stranger(hops, forwarding) for hops in (_x_forwarded_for(request), _forwarded_for(request)) if hops}
    return network(said.pop() or request.peer) if len(said) == 1 else network(request.peer)


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Return an IPv4 address, also one mapped into IPv6, as it is, of an IPv6 address the /64; other text stays."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped) if found.ipv4_mapped else f"{found.exploded[:19]}::/64"


def _first_stranger(hops: list[str], forwarding: Forwarding) -> str | None:
    """Return the last address that is not trusted; the first of all where each is; None where one cannot be read."""
    address = None
    for hop in reversed(hops[-_MOST_MEMBERS:]):
        address = _address(hop)
        if address is None or not trusted(forwarding, address):
            return address
    return address


def _address(node: str) -> str | None:
    """Return the address of a node (RFC 7239 section 6), without brackets and port; None where it is none."""
    node = node.strip().strip('"')
    if node.startswith("["):
        node = node[1:].partition("]")[0]
    elif node.count(":") == 1:
        node = node.partition(":")[0]
    try:
        return str(ip_address(node))
    except ValueError:
        return None


def _x_forwarded_for(request: RequestHead) -> list[str]:
    return _members(request, "x-forwarded-for")


def _forwarded_for(request: RequestHead) -> list[str]:
    found = []
    for member in _members(request, "forwarded"):
        pairs = (pair.strip().partition("=") for pair in member.split(";"))
        found.append(next((value for name, _, value in pairs if name.lower() == "for"), ""))
    return found


def _members(request: RequestHead, name: str) -> list[str]:
    values = [value for field, value in request.fields if field.lower() == name]
    return ",".join(values).split(",") if values else []
